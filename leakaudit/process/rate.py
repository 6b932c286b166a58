"""How fast a series rises: the median of all pairwise slopes (Theil 1950, Sen 1968), with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import sqrt
from statistics import mean, median

STUDENT_90 = 1.74  # 17 degrees of freedom: a full series less its warm-up
LEAST_SHARE = 0.25  # of the plain variance: less is what chance leaves of few gains


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
    """Return the Theil-Sen slope, with an interval from how the gains between neighbours vary.

    From gains, not from residuals: a leak that comes in lumps strays from its line like a random walk. What noise adds
    to one gain it takes from the next, so the variance is the long-run one (Newey and West 1987, two lags).
    """
    slope = theil_sen(times, values)
    gains = [b - a for a, b in pairwise(values)]
    if len(gains) < 3:
        return Rate(slope, slope, slope)
    middle = mean(gains)
    off = [gain - middle for gain in gains]
    plain = sum(o * o for o in off)
    shared = sum(a * b for lag in (1, 2) for a, b in zip(off, off[lag:], strict=False))
    half = STUDENT_90 * sqrt(max(plain + 2 * shared, LEAST_SHARE * plain)) / (times[-1] - times[0])
    return Rate(slope, slope - half, slope + half)
