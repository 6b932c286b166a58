"""What each value of each dimension does, everything else being equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leakaudit.process.compare.outcome import NUMBERS, Outcome
from leakaudit.process.compare.ratio import Ratio, matched

FIGURES = ("peak", "end", "time")
WORTH_A_WORD = 0.03  # a smaller difference is not worth a setting, however sure it is


@dataclass(frozen=True, slots=True)
class Effect:
    """How many times a figure is what it is with the dimension's first value, averaged over the other dimensions.

    `better` is True or False, None where no difference worth a word can be told from chance.
    """

    dimension: str
    value: str
    figure: str
    ratio: Ratio
    better: bool | None


def effects(outcomes: Sequence[Outcome]) -> tuple[Effect, ...]:
    """Return the effect of each value but the first of each dimension on peak, end and time."""
    by_values = {outcome.setting.values: outcome for outcome in outcomes}
    return tuple(
        Effect(name, value, figure, found, _better(found))
        for name, value in _others(outcomes)
        for figure in FIGURES
        if (found := _effect(by_values, name, value, figure))
    )


def base_of(outcome: Outcome, names: Sequence[str], outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome that differs from this one only in the named dimensions, which have their first values."""
    first = dict(outcomes[0].setting.values)
    values = tuple((n, first[n] if n in names else v) for n, v in outcome.setting.values)
    return next(o for o in outcomes if o.setting.values == values)


def _others(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    first = outcomes[0].setting.values
    seen = dict.fromkeys(pair for outcome in outcomes for pair in outcome.setting.values)
    yield from (pair for pair in seen if pair not in first)


def _effect(
    by_values: dict[tuple[tuple[str, str], ...], Outcome], name: str, value: str, figure: str
) -> Ratio | None:
    outcomes = tuple(by_values.values())
    read = NUMBERS[figure]
    pairs = [
        ([read(run) for run in outcome.runs], [read(run) for run in base_of(outcome, (name,), outcomes).runs])
        for outcome in outcomes
        if (name, value) in outcome.setting.values
    ]
    return matched([pair for pair in pairs if all(pair)])


def _better(found: Ratio) -> bool | None:
    if abs(found.value - 1.0) < WORTH_A_WORD:
        return None
    if found.below:
        return True
    return False if found.above else None
