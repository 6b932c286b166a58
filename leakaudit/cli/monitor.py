"""`leakaudit monitor`: what the operating system says of processes, moment after moment."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

import leakaudit
from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.params import DURATION, PID
from leakaudit.cli.terminal import columns, shows_color
from leakaudit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from leakaudit.process.allocator import Account
    from leakaudit.process.budget import Budget
    from leakaudit.process.monitor import Moment, Monitor
    from leakaudit.process.record import Record
    from leakaudit.process.summary import Outcome

    Show = Callable[[Moment], None]


LOOKED_INTO = 3  # processes whose memory is looked into at the end


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. Times in seconds; `for_` is None for until interrupted."""

    pids: tuple[int, ...]
    match: str | None
    children: bool
    group: tuple[str, ...]
    every: float
    for_: float | None
    budget: tuple[str, ...]
    output: str | None
    prometheus: str | None
    plain: bool
    no_config: bool


@click.command()
@click.argument("pids", nargs=-1, type=PID)
@click.option(
    "--match", metavar="REGEX", help="Processes whose command line REGEX finds, also those that come later."
)
@click.option("--children", is_flag=True, help="And all processes below them.")
@click.option(
    "--group",
    multiple=True,
    metavar="[NAME=]REGEX",
    help="Sum up the processes whose name or command line REGEX finds.  [default: by name, such as agg_]",
)
@click.option("--every", type=DURATION, default="2s", show_default=True, help="Time between two looks.")
@click.option("--for", "for_", type=DURATION, help="How long.  [default: until Ctrl-C]")
@click.option(
    "--budget",
    multiple=True,
    metavar="NAME=SIZE",
    help="Exit 1 if a process called NAME holds more; NAME/total is their sum, total the sum of all.",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help="Write JSON Lines to FILE."
)
@click.option("--prometheus", metavar="[HOST:]PORT", help="Serve the figures to Prometheus.")
@click.option("--plain", is_flag=True, help="Lines even on a terminal.")
@click.option("--no-config", is_flag=True, help="Ignore [tool.leakaudit.budgets] in pyproject.toml.")
def monitor(**options: Any) -> ExitCode:
    """Watch memory, threads, descriptors, queues, children and logs of processes, and say which ones grow.

    Exit codes: 0 within all budgets, 1 a budget was exceeded, 2 nothing to watch.
    """
    request = Request(**options)
    if not request.pids and not request.match:
        raise UsageError("there is nothing to monitor", "name a PID, or pass --match REGEX")
    return _run(request)


def _run(request: Request) -> ExitCode:
    from leakaudit.process import record

    watched, own = _prepare(request)
    watched.start()
    with ExitStack() as files:
        file = _File(request.output, files)
        file.write(record.start(time.time(), request.every, leakaudit.__version__))
        with ExitStack() as screen, suppress(KeyboardInterrupt):
            shows = _shows(request, screen)
            for moment in _moments(watched, request):
                for item in record.moment(moment):
                    file.write(item)
                for show in shows:
                    show(moment)
        return _conclude(watched, own, file)


def _prepare(request: Request) -> tuple[Monitor, tuple[Budget, ...]]:
    from leakaudit.process.budget import Ledger, parse_budget, read_budgets
    from leakaudit.process.monitor import Monitor
    from leakaudit.process.sampler import Sampler
    from leakaudit.process.selection import Selection, parse_grouping, parse_pattern

    own = tuple(parse_budget(text) for text in request.budget)
    named = {budget.text for budget in own}
    configured = () if request.no_config else read_budgets(_configured())
    sampler = Sampler()
    selection = Selection(
        sampler.reader,
        request.pids,
        parse_pattern(request.match, "--match") if request.match else None,
        children=request.children,
        groups=[parse_grouping(text) for text in request.group],
    )
    ledger = Ledger((*own, *(budget for budget in configured if budget.text not in named)))
    return Monitor(selection, sampler, ledger), own


def _configured() -> Mapping[str, object]:
    from leakaudit.scan.config import load_config

    return load_config().budgets


class _File:
    """The JSON Lines of a watching, if there is a file for them; one that has no more room does not end the watching."""

    def __init__(self, path: str | None, stack: ExitStack) -> None:
        self.path, self.broken = path, ""
        self._file: TextIO | None = None
        if path is not None:
            try:
                # What was watched cannot be watched again; pipes and devices hold nothing.
                special = Path(path).exists() and not Path(path).is_file()
                self._file = Path(path).open("w" if special else "x", encoding="utf-8", buffering=1)  # noqa: SIM115
            except FileExistsError as error:
                raise UsageError(f"{path} exists already", "name another file, or remove it") from error
            except OSError as error:
                raise UsageError(f"cannot write {path} ({error.strerror})", "name another file") from error
            stack.callback(self._close)

    def write(self, item: Record) -> None:
        """Append one record."""
        from leakaudit.process.record import line

        if self._file is not None and not self.broken:
            try:
                self._file.write(line(item))
            except OSError as error:
                self.broken = f"{self.path} could not be written to its end: {error.strerror}"

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what was left over by a write that failed fails again
                self._file.close()


def _shows(request: Request, stack: ExitStack) -> tuple[Show, ...]:
    shows: list[Show] = [_live(stack) if sys.stdout.isatty() and not request.plain else _lines]
    if request.prometheus:
        from leakaudit.process.exporter import Exporter, parse_address

        exporter = Exporter(*parse_address(request.prometheus))
        stack.callback(exporter.close)
        click.echo(f"metrics on port {exporter.port}", err=True)
        shows.append(exporter.show)
    return tuple(shows)


def _live(stack: ExitStack) -> Show:
    from rich.console import Console
    from rich.live import Live

    from leakaudit.cli.monitor_view import table

    console = Console()
    live = stack.enter_context(Live(console=console, auto_refresh=False))
    return lambda moment: live.update(table(moment, console.height), refresh=True)


def _lines(moment: Moment) -> None:
    from leakaudit.cli.monitor_view import plain

    for line in plain(moment):
        click.echo(line)
    sys.stdout.flush()


def _moments(watched: Monitor, request: Request) -> Iterator[Moment]:
    started = due = time.monotonic()
    while True:
        moment = watched.look()
        yield moment
        if not moment.rows and not request.match:
            return  # whoever was named is gone; what matches may come back
        now = time.monotonic()
        due += (
            max(1, -(-(now - due) // request.every)) * request.every
        )  # moments that were missed are left out
        if request.for_ is not None and due > started + request.for_ + request.every / 100:
            return
        time.sleep(max(0.0, due - now))


def _accounts(found: Sequence[Outcome]) -> dict[int, Account]:
    """Return where the memory of the largest processes is, for those that let us look."""
    from leakaudit.process.allocator import account
    from leakaudit.process.tracks import RSS

    alive = [o for o in found if o.pid is not None and o.what == RSS and not o.ended]
    largest = sorted(alive, key=lambda o: -o.last)[:LOOKED_INTO]
    seen = {o.pid: account(o.pid) for o in largest if o.pid is not None}
    return {pid: known for pid, known in seen.items() if known is not None}


def _conclude(watched: Monitor, own: tuple[Budget, ...], file: _File) -> ExitCode:
    from leakaudit.cli.monitor_view import overruns, summary
    from leakaudit.process import machine, record
    from leakaudit.process.summary import outcomes

    ledger = watched.ledger
    found = outcomes(watched, machine.available())
    for item in (*map(record.outcome, found), *map(record.overrun, ledger.overruns)):
        file.write(item)
    terminal = sys.stdout.isatty()
    width = columns() if terminal else 100
    color = shows_color(sys.stdout)
    click.echo("")
    for line in (
        *summary(found, _accounts(found), width, color=color),
        *overruns(ledger.overruns, ledger.unmet, width, color=color),
    ):
        click.echo(line)
    if file.broken:
        click.echo(f"leakaudit: {file.broken}", err=True)
    if ledger.overruns:
        return ExitCode.FINDINGS
    unmet = [budget.text for budget in own if budget in ledger.unmet]
    if unmet:
        raise UsageError(
            f"nothing was held against the budget {unmet[0]}: no process of that name was seen",
            "name a process, a group or a script as the table shows it, or `total`",
        )
    return ExitCode.CLEAN
