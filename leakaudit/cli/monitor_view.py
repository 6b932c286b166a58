"""What `leakaudit monitor` shows: a table that stays, lines that pass, and the summary at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from leakaudit.process.allocator import THREAD_ARENAS
from leakaudit.process.tracks import BYTES, RSS
from leakaudit.process.trend import Shape
from leakaudit.report import units
from leakaudit.report.style import Style, printable, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.table import Table

    from leakaudit.process.allocator import Account
    from leakaudit.process.budget import Budget, Overrun
    from leakaudit.process.monitor import Moment, Row, Sum
    from leakaudit.process.sample import Details
    from leakaudit.process.summary import Outcome

UNKNOWN = "-"
#: Figure that grows -> the rules that know its causes.
RULES = {
    "threads": "LA505 and LA501",
    "descriptors": "LA505 and LA303",
    "children": "LA506",
    "send queues": "LA504",
    "open logs": "LA305",
}
COLUMNS = ("process", "pid", "rss", "change", "threads", "descriptors", "queues", "children", "logs", "cpu")
SHOWN = 12
_COLOR = {Shape.STEADY_GROWTH: "red", Shape.ACCELERATING: "red", Shape.GROWING_SAWTOOTH: "red"}


def change(bytes_: float) -> str:
    """Write a difference with its sign, nothing for none."""
    return "" if bytes_ == 0 else f"{'+' if bytes_ > 0 else ''}{units.size(bytes_)}"


def clock(moment: float) -> str:
    """Write the time of day."""
    return time.strftime("%H:%M:%S", time.localtime(moment))


def cells(row: Row) -> tuple[str, ...]:
    """Return one process's figures in the order of COLUMNS."""
    sample, details = row.sample, row.sample.details
    zombies = f" ({units.count(sample.zombies, 'zombie')})" if sample.zombies else ""
    return (
        printable(row.member.label),
        str(sample.pid),
        units.size(sample.rss),
        change(row.change),
        str(sample.threads),
        _descriptors(details),
        _queues(details),
        f"{sample.children}{zombies}",
        _logs(details),
        UNKNOWN if row.cpu is None else f"{row.cpu * 100:.0f} %",
    )


def table(moment: Moment, height: int) -> Table:
    """Return the live table: processes under their groups, then all together; the largest where not all fit."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=f"{clock(moment.time)}  {units.count(len(moment.rows), 'process', 'processes')}")
    for name in COLUMNS:
        shown.add_column(
            name, justify="left" if name in ("process", "descriptors") else "right", no_wrap=True
        )
    fitting = max(5, height - 9 - 2 * len(moment.groups))
    largest = {row.member.key for row in sorted(moment.rows, key=lambda row: -row.sample.rss)[:fitting]}
    for group in moment.groups:
        rows = [row for row in moment.rows if row.member.group == group.name and row.member.key in largest]
        for row in rows:
            shown.add_row(*(Text(cell) for cell in cells(row)))
        if group.count > 1:
            shown.add_row(*(Text(cell) for cell in _sum_cells(group)), style="bold")
        shown.add_section()
    if len(moment.groups) > 1:
        shown.add_row(*(Text(cell) for cell in _sum_cells(moment.total)), style="bold")
    shown.caption = "\n".join(cgroup_lines(moment)) or None
    return shown


def plain(moment: Moment) -> Iterator[str]:
    """Yield one line for each process, group and cgroup, for a log or a pipe."""
    at = clock(moment.time)
    for member in moment.gone:
        yield f"{at} {printable(member.label)} {member.pid} has gone"
    for row in moment.rows:
        name, pid, rss, moved, threads, fds, queues, children, logs, cpu = cells(row)
        moved = f" ({moved})" if moved else ""
        yield (
            f"{at} {name} {pid}: rss {rss}{moved}, threads {threads}, descriptors {fds}, queues {queues}, "
            f"children {children}, logs {logs}, cpu {cpu}"
        )
    if len(moment.rows) > 1:
        for group in (*moment.groups, moment.total):
            yield f"{at} {_sum_line(group)}"
    for line in cgroup_lines(moment):
        yield f"{at} {line}"


def cgroup_lines(moment: Moment) -> Iterator[str]:
    """Yield one line for each cgroup that has a limit."""
    for cgroup in moment.cgroups:
        if cgroup.limit:
            part = units.share(cgroup.working_set / cgroup.limit)
            yield (
                f"cgroup {printable(cgroup.path)}: working set {units.size(cgroup.working_set)} of "
                f"{units.size(cgroup.limit)} ({part}), usage {units.size(cgroup.usage)}"
            )


def summary(
    found: Sequence[Outcome], accounts: Mapping[int, Account], width: int, *, color: bool
) -> Iterator[str]:
    """Yield the trends, what grows first, and what to try next; `accounts` are of the largest processes."""
    style = Style(color)
    growing = [o for o in found if o.trend.grows]
    others = [o for o in found if not o.trend.grows and _worth_showing(o, found)]
    growing.sort(key=lambda o: (o.unit != BYTES, -o.trend.rate.per_s))
    for outcome in (*growing, *others[: max(0, SHOWN - len(growing))]):
        yield from _outcome(outcome, style, width)
    left = len(others) - max(0, SHOWN - len(growing))
    if left > 0:
        yield f"... and {units.count(left, 'more series', 'more series')} that did not grow"
    yield from _next(growing, accounts, width)


def overruns(found: Iterable[Overrun], unmet: Iterable[Budget], width: int, *, color: bool) -> Iterator[str]:
    """Yield the budgets that were exceeded, and those that nobody was meant by."""
    style = Style(color)
    for over in found:
        who = printable(over.who) if over.who else "all together"
        yield from (
            style.paint(line, "red")
            for line in wrap(
                f"over budget {over.budget.text}: {who} held {units.size(over.largest)}, "
                f"{units.size(over.budget.limit)} allowed, since {clock(over.since)}",
                width,
            )
        )
    for budget in unmet:
        yield f"budget {budget.text}: no process of that name was seen"


def _outcome(outcome: Outcome, style: Style, width: int) -> Iterator[str]:
    trend = outcome.trend
    pid = "" if outcome.pid is None else f" {outcome.pid}"
    ended = ", ended" if outcome.ended else ""
    head = f"{printable(outcome.name)}{pid}{ended}: {outcome.what}"
    figures = f"{_figure(outcome.first, outcome)} -> {_figure(outcome.last, outcome)}"
    peak = (
        f", largest {_figure(outcome.largest, outcome)}"
        if outcome.largest > max(outcome.first, outcome.last)
        else ""
    )
    word = style.paint(trend.shape.value, _COLOR.get(trend.shape, "dim"), "bold")
    yield f"{head} {figures}{peak}  {word}"
    if trend.grows:
        yield from wrap(_rate(outcome), width, "    ")
    elif trend.shape is Shape.INCONCLUSIVE:
        more = f"; watch about {units.seconds(trend.needs_s)} more" if trend.needs_s else ""
        yield from wrap(f"{trend.reason}{more}", width, "    ")


def _rate(outcome: Outcome) -> str:
    rate = outcome.trend.rate
    write = units.size_rate if outcome.unit == BYTES else units.rate
    text = f"{write(rate.per_s)} ({write(rate.low)} to {write(rate.high)}): {outcome.trend.reason}"
    coming = outcome.forecast
    if coming is None:
        return text
    if coming.expected_s == 0:
        return f"{text}; over {outcome.limit} ({units.size(coming.limit)})"
    latest = f" to {units.seconds(coming.latest_s)}" if coming.latest_s is not None else " or later"
    return (
        f"{text}; reaches {outcome.limit} ({units.size(coming.limit)}) in {units.seconds(coming.expected_s)} "
        f"({units.seconds(coming.soonest_s)}{latest})"
    )


def _next(growing: Sequence[Outcome], accounts: Mapping[int, Account], width: int) -> Iterator[str]:
    pids = list(dict.fromkeys(o.pid for o in growing if o.pid is not None and not o.ended and o.what == RSS))
    if pids:
        text = f"`leakaudit runtime {pids[0]}` finds which container of process {pids[0]} grows"
        yield from wrap(f"next: {text}", width)
    for what, rules in RULES.items():
        if any(o.what == what for o in growing):
            yield from wrap(f"next: {what} grow: `leakaudit scan` looks for the cause, {rules}", width)
    for pid, account in accounts.items():
        if account.is_spread_over_arenas:
            held = units.size(account.as_dict()[THREAD_ARENAS])
            yield from wrap(
                f"process {pid}: {account.arena_heaps} thread arenas of the C library hold {held} of "
                f"{units.size(account.rss)}; much of it may be free: compare a run with MALLOC_ARENA_MAX=2",
                width,
            )


def _worth_showing(outcome: Outcome, found: Sequence[Outcome]) -> bool:
    # What never moved, and the sum over one process, are no news.
    if outcome.pid is not None and outcome.what != RSS:
        return outcome.first != outcome.last and outcome.trend.shape is not Shape.STABLE
    alone = sum(1 for o in found if o.pid is not None and o.what == RSS) <= 1
    return outcome.pid is not None or not alone


def _figure(value: float, outcome: Outcome) -> str:
    return units.size(value) if outcome.unit == BYTES else units.number(value)


def _descriptors(details: Details) -> str:
    fds = details.descriptors
    if fds is None:
        return UNKNOWN
    kinds = (("s", fds.sockets), ("f", fds.files), ("p", fds.pipes), ("o", fds.other))
    return f"{fds.total} (" + " ".join(f"{count}{kind}" for kind, count in kinds if count) + ")"


def _queues(details: Details) -> str:
    queues = details.send_queues
    if queues is None:
        return UNKNOWN
    full = f" ({queues.full} full)" if queues.full else ""
    return f"{units.size(queues.bytes)}{full}" if queues.bytes else "0"


def _logs(details: Details) -> str:
    if details.logs is None:
        return UNKNOWN
    return (
        f"{len(details.logs)}: {units.size(sum(log.size for log in details.logs))}" if details.logs else "0"
    )


def _sum_cells(group: Sum) -> tuple[str, ...]:
    name = f"{printable(group.name)} ({group.count})"
    pss = "" if group.pss is None else f"pss {units.size(group.pss)}"
    return (name, "", units.size(group.rss), change(group.change), str(group.threads), pss, "", "", "", "")


def _sum_line(group: Sum) -> str:
    moved = f" ({change(group.change)})" if group.change else ""
    pss = "" if group.pss is None else f", pss {units.size(group.pss)}"
    of = units.count(group.count, "process", "processes")
    return f"{printable(group.name)}, {of}: rss {units.size(group.rss)}{moved}{pss}, threads {group.threads}"
