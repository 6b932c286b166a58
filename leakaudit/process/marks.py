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
    """Rises and falls above the envelope: the troughs, how long one cycle takes, how high it usually is.

    `peak` is the highest point above the envelope. `aloft` is the share of samples that are clearly above the envelope: small for spikes, large for a sawtooth.
    """

    troughs: tuple[tuple[float, float], ...]
    period_s: float
    height: float
    peak: float
    aloft: float


@dataclass(frozen=True, slots=True)
class Marks:
    """Low-water marks in order of time, and their own noise."""

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
    troughs = [points[i] for i in _troughs(above, max(smallest, height / 2))]
    gaps = [b[0] - a[0] for a, b in pairwise(troughs)]
    first = troughs[0][0] - points[0][0] if troughs else 0.0
    aloft = sum(1 for a in above if a > height / 4) / len(above)
    return Cycles(tuple(troughs), median(gaps) if gaps else first, height, max(above), aloft)


def _troughs(values: Sequence[float], least: float) -> list[int]:
    """Return where values bottomed out after each fall of more than `least`."""
    found = []
    top = bottom = values[0]
    where, falling = 0, False
    for i, value in enumerate(values):
        if falling and value < bottom:
            bottom, where = value, i
        elif falling and value - bottom > least:
            falling, top = False, value
            found.append(where)
        elif not falling and value > top:
            top = value
        elif not falling and top - value > least:
            falling, bottom, where = True, value, i
    return [*found, where] if falling else found


def low_marks(points: Points, cells: int) -> Marks:
    """Cut the series into `cells` equally long cells and take each one's lowest point."""
    start, end = points[0][0], points[-1][0]
    width = (end - start) / cells or 1.0
    lowest: dict[int, tuple[float, float]] = {}
    for point in points:
        i = min(cells - 1, int((point[0] - start) / width))
        if i not in lowest or point[1] < lowest[i][1]:
            lowest[i] = point
    values = tuple(v for _, v in lowest.values())
    return Marks(tuple(t for t, _ in lowest.values()), values, _noise(values))


def _noise(values: Sequence[float]) -> float:
    # Bends are blind to slopes; and what never falls shows no noise, however unevenly it rises.
    if all(a <= b for a, b in pairwise(values)):
        return 0.0
    return mad([a - 2 * b + c for a, b, c in zip(values, values[1:], values[2:], strict=False)]) / 6**0.5
