"""How an envelope gains height: how much, in how many rises, how evenly, and whether it tires."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt
from statistics import stdev

SLOWER = 0.8  # a later half with less than this share of the earlier half's gain may be tiring


@dataclass(frozen=True, slots=True)
class Growth:
    """What an envelope gains over its cells.

    `cells` counts the gains. Pauses are shares of them (`pause`: the longest before the last rise, `final_pause`: since
    it), `largest` is a share of the total. `early` and `late` are the gains of the two halves; `tired` is by how many
    standard errors the later half falls short of `SLOWER` of the earlier. `fading` is Mann and Kendall's z of the gains:
    well below 0 where they shrink all along, about 0 where a large first gain is followed by even ones. `spread` is how
    many equal rises the gain without its largest would be (the participation ratio): two for three steps. `trimmed` is the
    ratio of the halves without the largest gain.
    """

    cells: int
    total: float
    rises: int
    pause: float
    final_pause: float
    largest: float
    early: float
    late: float
    tired: float
    fading: float
    spread: float
    trimmed: float

    @property
    def ratio(self) -> float:
        """The later half's gain over the earlier's."""
        return self.late / self.early if self.early > 0 else inf


def growth(envelope: Sequence[float], least: float) -> Growth:
    """Measure an envelope; rises below `least` are gathered until they reach it."""
    single = [b - a for a, b in pairwise(envelope)]
    gains = _gathered(single, least) or [0.0]
    total, cells, half = sum(gains), len(gains), len(gains) // 2
    before, after = gains[:half], gains[cells - half :]
    error = sqrt(half * (stdev(before) ** 2 + stdev(after) ** 2)) if half > 1 else 0.0
    shortfall = SLOWER * sum(before) - sum(after)
    where = [i for i, gain in enumerate(gains) if gain > 0]
    pauses = [b - a - 1 for a, b in pairwise([-1, *where, cells])]
    return Growth(
        cells=cells,
        total=total,
        rises=len(where),
        pause=max(pauses[:-1], default=0) / cells,
        final_pause=pauses[-1] / cells,
        largest=max(gains) / total if total > 0 else 1.0,
        early=sum(before),
        late=sum(after),
        tired=shortfall / error if error else (inf if shortfall > 0 else 0.0),
        fading=mann_kendall(single),
        spread=_spread(gains),
        trimmed=_trimmed(gains),
    )


def _spread(gains: Sequence[float]) -> float:
    rest = sorted(gains)[:-1]
    squares = sum(gain * gain for gain in rest)
    return sum(rest) ** 2 / squares if squares else 0.0


def _trimmed(gains: Sequence[float]) -> float:
    where, half = gains.index(max(gains)), len(gains) // 2
    rest = [*gains[:where], 0.0, *gains[where + 1 :]]
    before, after = sum(rest[:half]), sum(rest[len(rest) - half :])
    return after / before if before > 0 else inf


def _gathered(gains: Sequence[float], least: float) -> list[float]:
    result, waiting = [], 0.0
    for gain in gains:
        waiting += gain
        reached = waiting > 0 and waiting >= least
        result.append(waiting if reached else 0.0)
        waiting = 0.0 if reached else waiting
    return result


def mann_kendall(values: Sequence[float]) -> float:
    """Return the z of Mann and Kendall's test for a trend, ties accounted for; 0.0 where all are equal."""
    n = len(values)
    score = sum((b > a) - (b < a) for i, a in enumerate(values) for b in values[i + 1 :])
    ties = sum(c * (c - 1) * (2 * c + 5) for c in Counter(values).values())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    return (score - (score > 0) + (score < 0)) / sqrt(variance) if variance > 0 else 0.0
