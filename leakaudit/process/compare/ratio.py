"""How one setting's figures compare with another's, with an interval that is honest about few runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean, variance

#: Student's t, 95 % on either side (a 90 % interval), for 1 to 30 degrees of freedom; beyond, the normal distribution.
STUDENT = (
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812,
    1.796, 1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729, 1.725,
    1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697,
)  # fmt: skip
NORMAL = 1.645


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of geometric means with a 90 % interval; no interval (None) where either side has one run only."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def below(self) -> bool:
        """Whether it is less than 1 as far as can be told."""
        return self.high is not None and self.high < 1.0

    @property
    def above(self) -> bool:
        """Whether it is more than 1 as far as can be told."""
        return self.low is not None and self.low > 1.0


def ratio(values: Sequence[float], base: Sequence[float]) -> Ratio | None:
    """Return how many times `base` the values are; None if a side is empty or a value is not positive.

    Welch's interval (1947) on logarithms. A bootstrap of three runs against three has too few distinct samples to
    reach its nominal level; Student's t pays for few runs with width.
    """
    return matched([(values, base)])


def matched(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Ratio | None:
    """Return the mean ratio over pairs (values, base), each pair counting alike; None as for `ratio`."""
    sides = [side for pair in pairs for side in pair]
    if not sides or not all(side and min(side) > 0 for side in sides):
        return None
    logs = [[log(value) for value in side] for side in sides]
    middle = fmean(fmean(upper) - fmean(lower) for upper, lower in zip(logs[::2], logs[1::2], strict=True))
    if min(map(len, logs)) < 2:
        return Ratio(exp(middle))
    errors = [(variance(side) / len(side) / len(pairs) ** 2, len(side)) for side in logs]
    half = _quantile(errors) * sqrt(sum(error for error, _ in errors))
    return Ratio(exp(middle), exp(middle - half), exp(middle + half))


def _quantile(errors: Sequence[tuple[float, int]]) -> float:
    """Return Student's quantile at Welch and Satterthwaite's degrees of freedom, of (squared error, count)."""
    total = sum(error for error, _ in errors)
    if total == 0:
        return 0.0
    index = max(1, int(total**2 / sum(error**2 / (count - 1) for error, count in errors)))
    return STUDENT[index - 1] if index <= len(STUDENT) else NORMAL
