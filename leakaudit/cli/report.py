"""`leakaudit report`: tell again what sessions hold, several together, or one after the other."""

from __future__ import annotations

from pathlib import Path

import click

from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.output import emit, format_option, output_option, writable
from leakaudit.errors import UsageError


@click.command()
@click.argument("sessions", nargs=-1, required=True, type=click.Path(), metavar="SESSION...")
@click.option("--before", type=click.Path(), metavar="SESSION", help="Say what changed since this one.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False),
    callback=writable,
    metavar="FILE",
    help="Short for --format html -o FILE.",
)
@format_option
@output_option
def report(
    sessions: tuple[str, ...], before: str | None, html: str | None, format_: str, output: str | None
) -> ExitCode:
    """Tell again what SESSION holds: a session file, or a report in JSON. Several are added up.

    A session that was cut off is told as far as it goes. Exits 1 when growth is confirmed.
    """
    from leakaudit.runtime.reread import read_audits, read_report, read_runtime_reports

    if html is not None:
        if format_ != "text" or output is not None:
            raise UsageError("--html names format and file", "leave --format and --output out")
        format_, output = "html", html
    paths = list(map(Path, sessions))
    if before is not None:
        if format_ != "text":
            raise UsageError("--before is told as text only", f"leave --format {format_} out")
        from leakaudit.cli.verify import tell
        from leakaudit.findings.before_after import compare

        return tell(compare(read_audits([Path(before)]), read_audits(paths)), output)
    found = read_report(paths[0]) if len(paths) == 1 else read_runtime_reports(paths)
    emit(found, format_, output)
    if found.runtime is None:
        return ExitCode.FINDINGS if found.shown else ExitCode.CLEAN
    return ExitCode.FINDINGS if found.confirmed else ExitCode.CLEAN
