"""What became of each series: its trend, and when it reaches a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.process.budget import TOTAL
from leakaudit.process.forecast import Forecast, forecast
from leakaudit.process.naming import normal
from leakaudit.process.tracks import BYTES, COUNT, FIGURES, RSS
from leakaudit.process.trend import FLOOR_BYTES, FLOOR_COUNT, Trend, classify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakaudit.process.monitor import Monitor
    from leakaudit.process.series import Series
    from leakaudit.process.tracks import Tracks


@dataclass(frozen=True, slots=True)
class Outcome:
    """One series of a process, a group, a cgroup or of all: first, last and largest value, trend, forecast.

    `what` is one of `tracks.FIGURES`, or "working set" for a cgroup; `limit` is the name of the limit that the
    forecast is for; `pid` is None for sums.
    """

    name: str
    what: str
    unit: str
    first: float
    last: float
    largest: float
    trend: Trend
    pid: int | None = None
    ended: bool = False
    limit: str = ""
    forecast: Forecast | None = None


def outcomes(monitor: Monitor, available: int | None) -> tuple[Outcome, ...]:
    """Return the outcome of every series; `available` is the memory in bytes that the machine can still give."""
    return (*_processes(monitor), *_sums(monitor, available), *_cgroups(monitor))


def _processes(monitor: Monitor) -> Iterator[Outcome]:
    for ended, group in ((False, monitor.tracks), (True, monitor.ended)):
        for tracks in group.values():
            pid, label = tracks.member.pid, tracks.member.label
            name, limit = _own_budget(monitor, tracks)
            for what, series in tracks.series.items():
                bound = (name, limit) if what == RSS else ("", None)
                yield _outcome(label, what, FIGURES[what][0], series, pid=pid, ended=ended, bound=bound)


def _sums(monitor: Monitor, available: int | None) -> Iterator[Outcome]:
    for name, series in monitor.sums.items():
        yield _outcome(name, RSS, BYTES, series)
    limits = [(f"budget {b.text}", b.limit) for b in monitor.ledger.budgets if b.name == TOTAL]
    if available is not None:
        limits.append(("the machine's free memory", monitor.total.last + available))
    name, limit = min(limits, key=lambda item: item[1], default=("", None))
    yield _outcome(TOTAL, RSS, BYTES, monitor.total, bound=(name, limit))


def _cgroups(monitor: Monitor) -> Iterator[Outcome]:
    for path, (cgroup, series) in monitor.cgroups.items():
        if cgroup.limit is not None:
            bound = ("the cgroup's limit", cgroup.limit)
            yield _outcome(f"cgroup {path}", "working set", BYTES, series, bound=bound)


def _own_budget(monitor: Monitor, tracks: Tracks) -> tuple[str, float | None]:
    named = tracks.member.names | {normal(tracks.member.group)}
    mine = [b for b in monitor.ledger.budgets if not b.together and normal(b.name) in named]
    if not mine:
        return "", None
    tightest = min(mine, key=lambda b: b.limit)
    return f"budget {tightest.text}", tightest.limit


def _outcome(
    name: str,
    what: str,
    unit: str,
    series: Series,
    *,
    pid: int | None = None,
    ended: bool = False,
    bound: tuple[str, float | None] = ("", None),
) -> Outcome:
    limit_name, limit = bound
    exact = unit == COUNT
    trend = classify(series.points(), FLOOR_COUNT if exact else FLOOR_BYTES, exact=exact)
    coming = forecast(trend, series.last, limit) if limit is not None and not ended else None
    return Outcome(
        name=name,
        what=what,
        unit=unit,
        first=series.first,
        last=series.last,
        largest=series.largest,
        trend=trend,
        pid=pid,
        ended=ended,
        limit=limit_name if coming else "",
        forecast=coming,
    )
