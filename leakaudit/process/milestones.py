"""Growth per mark: what a process holds at each `leakaudit.mark`, by the mark's words without their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from leakaudit.process.rate import Rate, rate
from leakaudit.process.series import Series
from leakaudit.process.trend import FLOOR_BYTES, Trend, classify

UNNAMED = "mark"
MOST_GROUPS = 200  # texts that differ in words are kept apart only up to here
_NUMBERED = re.compile(r"\S*\d\S*")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a program said at `t` (monotonic seconds). `lost`: marks before it that did not get through."""

    t: float
    pid: int
    text: str
    lost: int = 0


@dataclass(frozen=True, slots=True)
class PerMark:
    """Growth of the marking process's resident memory; `rate` and the rates of `trend` are bytes per mark."""

    pid: int
    group: str
    marks: int
    first: float
    last: float
    rate: Rate
    trend: Trend


def group_of(text: str) -> str:
    """Return a mark's words without those that hold a number."""
    return " ".join(_NUMBERED.sub(" ", text).split()) or UNNAMED


class Milestones:
    """Takes marks as they come and reads what the marking process holds, in bounded memory."""

    def __init__(self, rss: Callable[[int], float | None]) -> None:
        self._rss = rss
        self._counts: dict[tuple[int, str], int] = {}
        self._series: dict[tuple[int, str], Series] = {}

    def add(self, mark: Mark) -> float | None:
        """Count a mark; returns the process's resident bytes, None if it is gone."""
        key = (mark.pid, group_of(mark.text))
        if key not in self._counts and len(self._counts) >= MOST_GROUPS:
            return None
        self._counts[key] = self._counts.get(key, 0) + 1 + mark.lost
        rss = self._rss(mark.pid)
        if rss is not None:
            self._series.setdefault(key, Series()).append(self._counts[key], rss)
        return rss

    def outcomes(self) -> Iterator[PerMark]:
        """Yield each group's growth, the fastest first."""
        found = (self._outcome(*key, series) for key, series in self._series.items())
        yield from sorted(found, key=lambda each: (not each.trend.grows, -each.rate.per_s, each.group))

    def _outcome(self, pid: int, group: str, series: Series) -> PerMark:
        points = series.points()
        trend = classify(points, FLOOR_BYTES)
        # Too few marks for a trend have a slope all the same.
        slope = trend.rate if trend.rate.per_s else rate(*zip(*points))
        return PerMark(pid, group, self._counts[pid, group], series.first, series.last, slope, trend)
