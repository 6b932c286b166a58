"""How fast a series rises: the median of all pairwise slopes (Theil 1950, Sen 1968), with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import mean, median, stdev

STRETCHES = 6
STUDENT_95 = 2.015  # 5 degrees of freedom, one tail of 5 %: a 90 % interval


@dataclass(frozen=True, slots=True)
class Rate:
    """Units per second, with the ends of a 90 % interval."""

    per_s: float
    low: float
    high: float


def theil_sen(times: Sequence[float], values: Sequence[float]) -> float:
    """Return the median slope over all pairs of points, 0.0 of fewer than two."""
    slopes = [
        (b[1] - a[1]) / (b[0] - a[0])
        for a, b in combinations(zip(times, values, strict=True), 2)
        if b[0] > a[0]
    ]
    return median(slopes) if slopes else 0.0


def rate(times: Sequence[float], values: Sequence[float]) -> Rate:
    """Return the Theil-Sen slope; the interval is Student's, over the rates of six equal stretches.

    Stretches, not residuals: a leak that comes in lumps strays from its line like a random walk, and an interval
    from residuals would be far too narrow for it.
    """
    slope = theil_sen(times, values)
    parts = min(STRETCHES, len(values) - 1)
    if parts < 2:
        return Rate(slope, slope, slope)
    ends = [round(i * (len(values) - 1) / parts) for i in range(parts + 1)]
    rates = [(values[b] - values[a]) / (times[b] - times[a]) for a, b in zip(ends, ends[1:], strict=False)]
    half = STUDENT_95 * stdev(rates) / sqrt(parts)
    middle = mean(rates)
    return Rate(slope, min(slope, middle - half), max(slope, middle + half))
