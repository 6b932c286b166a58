"""`leakaudit scan`: the static half."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.output import emit, format_option, output_option
from leakaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakaudit.findings import Confidence
    from leakaudit.findings.report import Report
    from leakaudit.scan.api import Scan
    from leakaudit.scan.config import Config
    from leakaudit.scan.fate import Terms
    from leakaudit.scan.rule import Rule

_LEVELS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for; () and "" mean that the configuration or the default decides."""

    paths: tuple[str, ...]
    format_: str
    output: str | None
    confidence: str | None
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    exclude: tuple[str, ...]
    force_exclude: bool
    baseline: str | None
    write_baseline: str | None
    evidence: tuple[str, ...]
    rules: tuple[str, ...]
    jobs: int
    dask: str
    no_cache: bool
    no_config: bool
    exit_zero: bool
    fix: bool
    diff: bool
    unsafe_fixes: bool
    statistics: bool
    quiet: bool


def _list(_ctx: click.Context, _param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for item in value for part in item.split(",") if part.strip())


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
@format_option
@output_option
@click.option("--confidence", type=click.Choice(_LEVELS), help="Least confidence shown.  [default: medium]")
@click.option(
    "--select",
    multiple=True,
    callback=_list,
    metavar="RULES",
    help="Run only these: LA101, a name, LA1, ALL.",
)
@click.option("--ignore", multiple=True, callback=_list, metavar="RULES", help="Do not run these.")
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="Leave out files, as in .gitignore; may be repeated."
)
@click.option(
    "--force-exclude", is_flag=True, help="Leave out excluded files even when they are named (for hooks)."
)
@click.option("--baseline", metavar="FILE", help="Silence the findings that FILE holds.")
@click.option("--write-baseline", metavar="FILE", help="Write what is found to FILE, and exit 0.")
@click.option(
    "--evidence",
    multiple=True,
    type=click.Path(),
    metavar="SESSION",
    help="Raise what a live process confirmed, lower what it cleared; several are several processes.",
)
@click.option(
    "--rules", multiple=True, metavar="DIR", help="Load the rules in DIR too. They are code that runs."
)
@click.option(
    "--jobs", type=click.IntRange(1), default=None, metavar="N", help="Processes.  [default: one per core]"
)
@click.option("--dask", default="", metavar="SCHEDULER", help="Extract on the workers of a Dask scheduler.")
@click.option("--no-cache", is_flag=True, help="Read every file anew.")
@click.option("--no-config", is_flag=True, help="Ignore [tool.leakaudit] in pyproject.toml.")
@click.option("--fix", is_flag=True, help="Mend what can be mended safely; report what is left.")
@click.option("--diff", is_flag=True, help="Print what --fix would change, and change nothing.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: also what may change behaviour.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 even when something is found.")
@click.option("--statistics", is_flag=True, help="Count the findings per rule.")
@click.option("-q", "--quiet", is_flag=True, help="Print findings and errors, no summary and no progress.")
def scan(**options: Any) -> ExitCode:
    """Find what may grow for ever in the Python files under PATHS (default: the current folder)."""
    options["paths"] = options["paths"] or (".",)
    options["jobs"] = options["jobs"] or 0
    from leakaudit.scan.limits import without_collections

    with without_collections():
        code = _run(Request(**options))
        gc.freeze()  # the process ends now: to look for what might be freed would be for nothing
    return code


def _run(request: Request) -> ExitCode:
    from leakaudit.findings import Confidence
    from leakaudit.scan.config import Config, load_config
    from leakaudit.scan.fate import decide
    from leakaudit.scan.loader import load_rules

    _refuse_contradictions(request)
    config = Config() if request.no_config else load_config(request.paths[0])
    threshold = Confidence(request.confidence) if request.confidence else config.confidence
    rules = load_rules(request.rules)
    weighed = _evidence(request.evidence)
    done = _examine(request, config, rules)
    terms = _terms(request, config, threshold, rules)

    def decided(scan: Scan) -> Report:
        return decide(weighed(scan.report), replace(terms, comments=scan.comments, audited=scan.files))

    if request.diff or request.fix:
        from leakaudit.cli import mending
        from leakaudit.scan.mend import mend

        mended = mend(done, decided, unsafe=request.unsafe_fixes)
        if request.diff:
            mending.show(mended, request.output, brief=request.quiet)
            left = _exit_code(mended.report, request)
            clean = not mended.changes or request.exit_zero
            return left if left is ExitCode.FAILED else ExitCode.CLEAN if clean else ExitCode.FINDINGS
        report = mending.apply(mended)
    else:
        report = decided(done)
    if request.write_baseline:
        return _write_baseline(request.write_baseline, report)
    if not (done.nothing_asked and request.format_ == "text"):
        emit(report, request.format_, request.output, statistics=request.statistics, brief=request.quiet)
    return _exit_code(report, request)


def _evidence(sessions: tuple[str, ...]) -> Callable[[Report], Report]:
    """Return what weighs a report by what live processes said."""
    if not sessions:
        return lambda report: report
    from leakaudit.runtime.reread import read_runtime_reports
    from leakaudit.scan.evidence import weigh

    said = read_runtime_reports(list(map(Path, sessions)))
    return lambda report: weigh(report, said, f"the evidence of {', '.join(sessions)}")


def _refuse_contradictions(request: Request) -> None:
    if "" in request.paths:  # pathlib takes it for the current folder
        raise UsageError("a path is empty", "name a folder or file; is a variable of the shell unset?")
    if request.fix and request.diff:
        raise UsageError("--fix changes files and --diff does not", "choose one")
    if request.unsafe_fixes and not (request.fix or request.diff):
        raise UsageError("--unsafe-fixes alone fixes nothing", "add --diff or --fix")
    if request.diff and (request.write_baseline or request.format_ != "text"):
        raise UsageError("--diff prints a diff and nothing else", "leave --format and --write-baseline out")


def _examine(request: Request, config: Config, rules: tuple[Rule, ...]) -> Scan:
    from leakaudit.cli.progress import Progress
    from leakaudit.scan.api import ScanOptions, examine
    from leakaudit.scan.dask import dask_executor

    options = ScanOptions(
        select=request.select or config.select,
        ignore=(*config.ignore, *request.ignore),
        exclude=(*config.exclude, *request.exclude),
        force_exclude=request.force_exclude,
        rules_dirs=request.rules,
        jobs=request.jobs,
        cache=not request.no_cache,
        tables=config.tables,
        root=config.root,
        loaded=rules,
    )
    with (
        dask_executor(request.dask) as executor,
        Progress("scanning", "files", wanted=not request.quiet) as progress,
    ):
        return examine(request.paths, replace(options, executor=executor), progress)


def _terms(request: Request, config: Config, threshold: Confidence, rules: tuple[Rule, ...]) -> Terms:
    from leakaudit.findings import baseline
    from leakaudit.scan.fate import Terms
    from leakaudit.scan.selection import select_rules

    accepted = request.baseline or (str(Path(config.root) / config.baseline) if config.baseline else "")
    return Terms(
        config=config,
        rules=rules,
        ran=select_rules(rules, request.select or config.select, (*config.ignore, *request.ignore)),
        baseline=baseline.load(accepted) if accepted and not request.write_baseline else (),
        threshold=threshold,
    )


def _write_baseline(path: str, report: Report) -> ExitCode:
    from leakaudit.findings import baseline
    from leakaudit.report.units import count

    gone, new = baseline.difference(path, report.shown)
    written = baseline.write(path, report.shown)
    changes = ((gone, "of those that it held", "gone"), (new, "of them", "new"))
    told = (f"; {many} {of} {'is' if many == 1 else 'are'} {what}" for many, of, what in changes if many)
    click.echo(f"{count(written, 'finding')} written to {path}{''.join(told)}", err=True)
    return ExitCode.CLEAN


def _exit_code(report: Report, request: Request) -> ExitCode:
    """A named path that could not be audited is a failure, or a rule; a file below a folder is told in the report."""
    named = {str(Path(path)) for path in request.paths}
    if (
        any(error.rule for error in report.errors)
        or any(str(Path(error.path)) in named for error in report.errors)
        or (report.errors and not report.files)
    ):
        return ExitCode.FAILED
    return ExitCode.FINDINGS if report.shown and not request.exit_zero else ExitCode.CLEAN
