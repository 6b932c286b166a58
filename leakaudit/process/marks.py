"""Low-water marks: what a series never falls below, cell by cell, and the cycles above them.

The envelope is the future minimum: at each moment the least value still to come. Sawtooth, spikes and the phase of the
garbage collector vanish in it; a leak does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

CELLS = 24
TO_SIGMA = 1.4826  # the median absolute deviation of a Gaussian, as its standard deviation

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Cycles:
    """Rises and falls above the envelope: how many falls, how long one takes, how high, where the last one ended."""

    count: int
    period_s: float
    height: float
    last_trough: float | None


@dataclass(frozen=True, slots=True)
class Marks:
    """Low-water marks of equally long cells: times of the cells' middles, the marks, and the marks' own noise."""

    times: tuple[float, ...]
    lows: tuple[float, ...]
    noise: float

    @property
    def envelope(self) -> tuple[float, ...]:
        """The future minimum of the marks."""
        return tuple(accumulate(reversed(self.lows), min))[::-1]


def future_minimum(points: Points) -> list[float]:
    """Return, for each point, the least value from there on."""
    return list(accumulate((v for _, v in reversed(points)), min))[::-1]


def mad(values: Sequence[float]) -> float:
    """Return the median absolute deviation, scaled to a Gaussian's standard deviation; 0.0 of nothing."""
    if not values:
        return 0.0
    middle = median(values)
    return TO_SIGMA * median(abs(v - middle) for v in values)


def jitter(points: Points) -> float:
    """Return the noise between neighbouring samples, blind to slopes and to rare jumps."""
    return mad([b[1] - a[1] for a, b in pairwise(points)]) / 2**0.5


def cycles(points: Points, smallest: float) -> Cycles:
    """Find falls of at least `smallest` and half the usual height above the envelope."""
    above = [v - low for (_, v), low in zip(points, future_minimum(points), strict=True)]
    height = sorted(above)[int(0.95 * (len(above) - 1))]
    least = max(smallest, height / 2)
    troughs = []
    top = bottom = above[0]
    falling = False
    where = 0
    for i, value in enumerate(above):
        if falling:
            if value < bottom:
                bottom, where = value, i
            elif value - bottom > least:
                falling, top = False, value
                troughs.append(where)
        elif value > top:
            top = value
        elif top - value > least:
            falling, bottom, where = True, value, i
    if falling:
        troughs.append(where)
    times = [points[i][0] for i in troughs]
    period = median([b - a for a, b in pairwise(times)]) if len(times) > 1 else 0.0
    return Cycles(len(times), period, height, times[-1] if times else None)


def low_marks(points: Points, cells: int) -> Marks:
    """Cut the series into `cells` equally long cells and take each one's least value."""
    start, end = points[0][0], points[-1][0]
    width = (end - start) / cells or 1.0
    lows: list[float | None] = [None] * cells
    for t, v in points:
        i = min(cells - 1, int((t - start) / width))
        low = lows[i]
        lows[i] = v if low is None or v < low else low
    held = [(start + (i + 0.5) * width, low) for i, low in enumerate(lows) if low is not None]
    values = tuple(low for _, low in held)
    bends = [a - 2 * b + c for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return Marks(tuple(t for t, _ in held), values, mad(bends) / 6**0.5)
