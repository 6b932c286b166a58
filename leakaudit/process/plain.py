"""Growth that is plain after few samples, of which each or the lower of two is a low-water mark.

What would need many samples is not attempted here: cycles, spikes, lumps. Only an even rise with little around it passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from leakaudit.process.growth import growth
from leakaudit.process.marks import Points, low_marks
from leakaudit.process.rate import Rate, rate

FEWEST = 12  # samples, and marks
FLOORS = 4.0  # times the floor: few samples have to show more
RISING = 0.7  # share of the steps that go up
THIRD = 0.2  # of the gain, in each third of the window
LARGEST = 0.25  # of the gain, in one step
LASTING = 0.75  # the later half's gain over the earlier's
TIGHT = 0.4  # half the rate's interval, as a share of the rate


def plain_growth(points: Points, floor: float) -> Rate | None:
    """Return the rate of a rise that is large, even and lasting; None if a series this short shows none."""
    if len(points) < FEWEST:
        return None
    marks = low_marks(points, FEWEST)
    times, values = marks.times, marks.lows
    found = growth(marks.envelope, 0.0)
    ups = sum(1 for a, b in pairwise(values) if b > a)
    speed = rate(times, values)
    even = found.largest <= LARGEST and ups >= RISING * (len(values) - 1)
    lasting = found.ratio >= LASTING and min(_thirds(marks.envelope)) >= THIRD * found.total
    tight = speed.high - speed.per_s <= TIGHT * speed.per_s
    return speed if found.total >= FLOORS * floor and even and lasting and tight else None


def _thirds(envelope: Sequence[float]) -> list[float]:
    cuts = [envelope[round(i * (len(envelope) - 1) / 3)] for i in range(4)]
    return [b - a for a, b in pairwise(cuts)]
