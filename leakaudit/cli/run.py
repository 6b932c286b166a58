"""`leakaudit run`: start a program, record it from its start to its end, and audit it if asked to."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from leakaudit.cli.boundary import to_stderr
from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.output import format_option, writable
from leakaudit.cli.params import DURATION
from leakaudit.cli.terminal import columns, shows_color
from leakaudit.errors import LeakAuditError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from leakaudit.findings.report import Report
    from leakaudit.process.launch import Program
    from leakaudit.process.milestones import PerMark
    from leakaudit.process.recorder import Recorder
    from leakaudit.runtime.audit import Options
    from leakaudit.runtime.session import Session

DOOR_POLL_S = 0.2
SHOWN_MARKS = 8
_OF_AN_AUDIT = ("after", "duration", "interval", "format_", "output")


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, metavar="-- CMD...", type=click.UNPROCESSED)
@click.option(
    "-o",
    "--session",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Append all that is seen to FILE, as JSON Lines.",
)
@click.option("--every", type=DURATION, help="Time between two looks.  [default: 0.1s, later up to 5s]")
@click.option("--audit", is_flag=True, help="Audit the program as `leakaudit runtime` does.")
@click.option(
    "--source",
    multiple=True,
    type=click.Path(exists=True),
    metavar="PATH",
    help="Source to scan for the audit, which this asks for; may be repeated.",
)
@click.option("--after", type=DURATION, default="5s", show_default=True, help="When the audit begins.")
@click.option(
    "--duration", type=DURATION, default="60s", show_default=True, help="How long the audit watches."
)
@click.option("--interval", type=DURATION, help="Time between two samples of the audit.")
@format_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    callback=writable,
    metavar="FILE",
    help="Write the audit's report to FILE.",
)
@click.option("--no-config", is_flag=True, help="Ignore [tool.leakaudit] in pyproject.toml.")
def run(command: Sequence[str], **options: Any) -> int:
    """Run CMD and record it, and all processes below it, from start to end.

    What the program writes stays its own; what leakaudit has to say goes to stderr. Exit code: the program's; 1 if that
    is 0 and the audit confirmed growth.
    """
    from leakaudit.agent import environment
    from leakaudit.process.launch import Program
    from leakaudit.process.recorder import Marks, Recorder
    from leakaudit.runtime.audit import begin
    from leakaudit.runtime.session import Session

    if sys.platform != "linux":
        raise UsageError("programs can be recorded only on Linux", "watch it with `leakaudit monitor`")
    wants_audit = options["audit"] or bool(options["source"])
    if not wants_audit:
        _refuse_audit_options()
    wanted = _audit_options(options)
    with closing(Session(Path(options["session"]) if options["session"] else None)) as session:
        marks = Marks()
        program = Program(command, marks.environment(environment(os.environ)))
        try:
            begin(session, program.pid, command, wanted)
            recorder = Recorder(program.pid, marks, session.keep, options["every"] or 0.0)
            recorder.start()
            report = _audit(program, wanted, session, options) if wants_audit else None
            program.wait()
            recorder.stop()
        finally:
            program.release()
        session.keep({"record": "exit", "t": time.monotonic(), "code": program.code})
        _tell(_summary(program, recorder, audited=report is not None))
        if session.broken:
            _tell([f"leakaudit: {session.broken}"])
    return program.code or (ExitCode.FINDINGS if report is not None and report.confirmed else ExitCode.CLEAN)


def _refuse_audit_options() -> None:
    """Raise UsageError where something is asked of an audit, but no audit is."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and parameter.name in _OF_AN_AUDIT:
            raise UsageError(f"{parameter.opts[-1]} is for an audit, and there is none", "add --audit")


def _audit_options(options: dict[str, Any]) -> Options:
    from leakaudit.runtime.audit import Options

    return Options(
        duration_s=options["duration"],
        interval_s=options["interval"] or 0.0,
        source=tuple(map(Path, options["source"])),
    )


def _audit(program: Program, wanted: Options, session: Session, options: dict[str, Any]) -> Report | None:
    """Audit the program, or what it has started; what keeps us from it is told, and the program goes on."""
    from leakaudit.cli.runtime import scan_source
    from leakaudit.runtime.audit import audit

    if program.wait(options["after"]):
        _tell(["leakaudit: the program ended before the audit began; begin earlier: `--after 500ms`"])
        return None
    try:
        pid = _python_below(program)
        if pid is None:
            return None
        report = audit(pid, lambda paths: scan_source(paths, options["no_config"]), wanted, session=session)
        _show(report, options["format_"], options["output"])
    except LeakAuditError as error:
        _tell([f"leakaudit: no audit: {error}"])
        return None
    return report


def _python_below(program: Program) -> int | None:
    """Return the first process with a door, the program itself or one that it has started; None when it has ended."""
    from leakaudit.process.sampler import system_reader
    from leakaudit.process.selection import descendants
    from leakaudit.runtime.attach.cooperative import has_door

    reader = system_reader()
    while not program.ended.is_set():
        for pid in (program.pid, *sorted(descendants({program.pid}, reader.table()))):
            if has_door(pid):
                return pid
        program.wait(DOOR_POLL_S)
    _tell(["leakaudit: no audit: the program has run no Python that could be audited"])
    return None


def _show(report: Report, format_: str, output: str | None) -> None:
    from leakaudit.cli.output import write
    from leakaudit.report import View, renderer

    if output is not None:
        try:
            write(renderer(format_).render(report, View()), output)
        except UsageError as error:  # what was watched for so long cannot be watched again
            _tell([f"leakaudit: {error}"])
            format_ = "text"
        else:
            return
    text = renderer(format_).render(report, View(width=columns(), color=shows_color(sys.stderr)))
    to_stderr(lambda: click.echo(text, err=True, nl=False))


def _summary(program: Program, recorder: Recorder, *, audited: bool) -> Iterator[str]:
    from leakaudit.cli.monitor_view import summary
    from leakaudit.process.launch import remaining
    from leakaudit.process.summary import outcomes
    from leakaudit.process.tracks import RSS
    from leakaudit.report import units

    ended = f"signal {program.code - 128}" if program.code > 128 else f"exit code {program.code}"
    total = recorder.monitor.total
    yield ""
    yield (
        f"leakaudit: {ended}, {units.count(total.samples, 'look', 'looks')}, "
        f"largest {units.size(total.largest)} in all processes together"
    )
    found = [replace(each, ended=each.pid is not None) for each in outcomes(recorder.monitor, None)]
    if sum(each.what == RSS for each in found) == 2:  # one process and the sum of it
        found = [each for each in found if each.pid is not None]
    yield from summary(found, {}, columns(), color=shows_color(sys.stderr))
    if not audited and any(each.trend.grows and each.what == RSS for each in found):
        yield "next: `leakaudit run --audit -- CMD...` finds which container grows"
    yield from _per_mark(list(recorder.milestones.outcomes()))
    left = remaining(program.pid)
    if left:
        yield f"{units.count(left, 'process', 'processes')} of the program's group still run"


def _per_mark(found: Sequence[PerMark]) -> Iterator[str]:
    from leakaudit.process.trend import Shape
    from leakaudit.report import units

    several = len({each.pid for each in found}) > 1
    for each in found[:SHOWN_MARKS]:
        who = f" in process {each.pid}" * several
        rate = each.rate
        yield (
            f'growth per mark: {units.size(rate.per_s)} per "{each.group}"{who} '
            f"({units.size(rate.low)} to {units.size(rate.high)}), {units.count(each.marks, 'mark')}, "
            + ("too few for a trend" if each.trend.shape is Shape.INCONCLUSIVE else each.trend.shape.value)
        )
    if len(found) > SHOWN_MARKS:
        yield f"... and {units.count(len(found) - SHOWN_MARKS, 'more kind of mark', 'more kinds of marks')}"


def _tell(lines: Iterable[str]) -> None:
    from leakaudit.report.style import printable

    text = "\n".join(line if "\x1b" in line else printable(line) for line in lines)
    to_stderr(lambda: click.echo(text, err=True))
