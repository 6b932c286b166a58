"""`leakaudit runtime`: the live half."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.output import emit, format_option, output_option
from leakaudit.cli.params import DURATION, PID
from leakaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leakaudit.findings.report import Report


@click.command()
@click.argument("pid", type=PID)
@click.option("--duration", type=DURATION, default="60s", show_default=True, help="How long to watch.")
@click.option(
    "--interval", type=DURATION, help="Time between two samples.  [default: what suits the duration]"
)
@click.option(
    "--source",
    multiple=True,
    type=click.Path(exists=True),
    metavar="PATH",
    help="Source to scan; may be repeated.  [default: what the process has loaded]",
)
@click.option(
    "--include-dependencies",
    is_flag=True,
    help="Scan what the process has loaded of installed packages, too.",
)
@click.option(
    "--from",
    "from_",
    type=click.Path(),
    metavar="REPORT",
    help="Watch what this report found (JSON or a session), and scan nothing.",
)
@click.option("--children", is_flag=True, help="Audit the Python processes below PID too, in one report.")
@click.option(
    "--passive",
    is_flag=True,
    help="Stay outside: no code in the process, no pause; module-level containers only, from Python 3.13 on.",
)
@click.option(
    "--method", default="auto", show_default=True, help="Way into the process; see `leakaudit doctor PID`."
)
@click.option(
    "--pause-budget",
    type=click.FloatRange(1, 1000),
    default=10.0,
    show_default=True,
    metavar="MS",
    help="Longest slice of work in the process, in milliseconds.",
)
@click.option("--budget", metavar="SIZE", help="Tell when the process will hold SIZE, such as 800MB or 2GiB.")
@click.option(
    "--reclaim",
    is_flag=True,
    help="In the end let the process collect garbage, which stops it for that long, and return free memory.",
)
@format_option
@output_option
@click.option(
    "--session",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep all that is seen in FILE; with --children in FILE.PID, one for each process.",
)
@click.option("--live", is_flag=True, help="On a terminal: show what grows as it moves, before the report.")
@click.option("--no-config", is_flag=True, help="Ignore [tool.leakaudit] in pyproject.toml.")
@click.option("-q", "--quiet", is_flag=True, help="Print verdicts and unexplained growth, and no progress.")
def runtime(pid: int, **options: Any) -> ExitCode:
    """Attach to PID, watch what the findings in its source name, and confirm or clear each.

    Ctrl-C ends the watching and reports on what was seen. Exits 1 when growth is confirmed.
    """
    from leakaudit.cli.progress import Progress
    from leakaudit.process.budget import parse_size
    from leakaudit.runtime.audit import Options, audit
    from leakaudit.runtime.fleet import audit_tree

    _refuse_contradictions(options)
    wanted = Options(
        duration_s=options["duration"],
        interval_s=options["interval"] or 0.0,
        source=tuple(map(Path, options["source"])),
        dependencies=options["include_dependencies"],
        method=options["method"],
        passive=options["passive"],
        pause_budget_ms=options["pause_budget"],
        budget=(options["budget"], parse_size(options["budget"])) if options["budget"] else None,
        reclaim=options["reclaim"],
        session=Path(options["session"]) if options["session"] else None,
    )
    quiet = options["quiet"]
    given = options["from_"]
    scan = _given(given) if given else partial(scan_source, no_config=options["no_config"])
    if options["live"] and _can_live():
        from leakaudit.cli.live import audit_live

        report = audit_live(pid, scan, wanted, children=options["children"])
    else:
        with Progress("watching", "s", wanted=not quiet) as progress:
            look = audit_tree if options["children"] else audit
            report = look(pid, scan, wanted, progress.step)
    emit(report, options["format_"], options["output"], brief=quiet)
    return ExitCode.FINDINGS if report.confirmed else ExitCode.CLEAN


def _refuse_contradictions(options: dict[str, Any]) -> None:
    if options["passive"] and options["method"] != "auto":
        raise UsageError("--passive goes in by no way at all", "leave --method out")
    if options["from_"] and (options["source"] or options["include_dependencies"]):
        raise UsageError("--from scans nothing", "leave --source and --include-dependencies out")
    if options["interval"] and options["interval"] > options["duration"]:
        raise UsageError("--interval is longer than --duration", "take a dozen samples or more")
    if options["live"] and options["quiet"]:
        raise UsageError("--live is what --quiet leaves out", "leave one of them out")


def _can_live() -> bool:
    """Tell whether there is a terminal for --live, and tell the user where there is none."""
    from leakaudit.cli.live import can_show

    if not can_show():
        click.echo("leakaudit: --live needs a terminal; the report comes at the end", err=True)
        return False
    return True


def _given(path: str) -> Callable[[Sequence[Path]], Report]:
    """Return what takes the place of a scan: the findings of a report, as if nobody had been asked yet."""
    from dataclasses import replace

    from leakaudit.runtime.reread import read_report

    report = read_report(Path(path))
    findings = tuple(replace(item, verdict=None) for item in report.findings if item.probe is not None)
    if not findings:
        raise UsageError(
            f"{path} holds no finding that can be watched", "give the report of a scan that found some"
        )
    return lambda _: replace(report, kind="scan", findings=findings, runtime=None, processes=())


def scan_source(paths: Sequence[Path], no_config: bool = False) -> Report:
    """Scan what a process runs: every finding counts here, whatever its confidence, and more is watched."""
    from dataclasses import replace

    from leakaudit.findings import Confidence
    from leakaudit.scan.api import ScanOptions, examine
    from leakaudit.scan.config import Config, load_config
    from leakaudit.scan.fate import Terms, decide
    from leakaudit.scan.loader import load_rules
    from leakaudit.scan.selection import select_rules
    from leakaudit.scan.watchlist import watchlist

    config = Config() if no_config else load_config(paths[0])
    options = ScanOptions(
        select=config.select,
        ignore=config.ignore,
        exclude=config.exclude,
        tables=config.tables,
        root=config.root,
    )
    done = examine(paths, options)
    rules = load_rules()
    ran = select_rules(rules, config.select, config.ignore)
    own = {path: done.facts[path] for path in done.files}
    codes = {rule.code for rule in ran}
    more = (finding for finding in watchlist(own, done.report.findings) if finding.rule in codes)
    return decide(
        replace(done.report, findings=(*done.report.findings, *more)),
        Terms(config, rules, ran, done.comments, audited=done.files, threshold=Confidence.LOW),
    )
