"""`leakaudit demo`: a leaking server, its scan, and the verdicts of the live process, in one go."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.output import emit, format_option, output_option
from leakaudit.cli.params import DURATION
from leakaudit.demo.federation import NODES, DemoError, running_federation, server_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakaudit.findings.report import Report


@click.command()
@click.option("--fixed", is_flag=True, help="Audit the same server with its leaks mended.")
@click.option("--duration", type=DURATION, default="20s", show_default=True, help="How long to watch it.")
@format_option
@output_option
def demo(fixed: bool, duration: float, format_: str, output: str | None) -> ExitCode:
    """Audit a leaking federated server and its eight nodes, live, on this machine.

    Nothing leaves the loopback interface, and everything that is started is stopped again. Exit code 0: the demo
    showed what it should, confirmed leaks, or none with --fixed.
    """
    _check_machine()
    # An end by `kill` or by a closed terminal takes the way of Ctrl-C, so that the processes are stopped.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with running_federation(duration, fixed) as federation:
        _tell(f"started a federated server, pid {federation.server}, and {len(NODES)} nodes")
        report = _audit(federation.server, duration, fixed)
    _tell("stopped the server and the nodes")
    emit(report, format_, output)
    _check_outcome(report, fixed)
    return ExitCode.CLEAN


def _check_machine() -> None:
    if sys.platform != "linux":
        raise DemoError(
            f"the demo attaches to a process, which needs Linux and not {sys.platform}",
            "try `leakaudit scan`",
        )
    if find_spec("websockets") is None:
        raise DemoError(
            "the demo's server needs the package websockets", "install it: pip install 'leakaudit[demo]'"
        )


def _audit(pid: int, duration: float, fixed: bool) -> Report:
    from leakaudit.runtime.audit import Options, audit
    from leakaudit.scan.api import scan

    def scan_source(paths: Sequence[Path]) -> Report:
        report = scan(paths)
        _tell(
            f"scanned {report.files} files: {len(report.shown)} findings, "
            f"and {len(report.findings) - len(report.shown)} suspicions of low confidence"
        )
        _tell(f"asking the live process about each of them, for {duration:g} s")
        return report

    return audit(pid, scan_source, Options(duration_s=duration, source=(_short(server_dir(fixed)),)))


def _short(path: Path) -> Path:
    """Return the path relative to the current folder if it lies below it: it is printed with every finding."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _check_outcome(report: Report, fixed: bool) -> None:
    assert report.runtime is not None
    if report.runtime.ended_early:
        raise DemoError(f"the demo ended early: {report.runtime.ended_early}", "let it run to its end")
    if fixed and report.confirmed:
        raise DemoError("the mended server was said to leak", "report this as a bug")
    if not fixed and not report.confirmed:
        raise DemoError("none of the server's leaks was confirmed", "watch it for longer: --duration 60s")


def _tell(message: str) -> None:
    click.echo(f"demo: {message}", err=True)
