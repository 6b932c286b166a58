"""Which settings did better than the first one, and at what price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leakaudit.process.compare.outcome import Outcome
from leakaudit.process.compare.ratio import Ratio

WORTH_A_WORD = 0.03  # a smaller difference is not worth a setting, however sure it is


@dataclass(frozen=True, slots=True)
class Effect:
    """What a setting does to one figure: `better` True, False, or None where no difference can be told."""

    setting: str
    figure: str
    ratio: Ratio
    better: bool | None


def effects(outcomes: Sequence[Outcome]) -> tuple[Effect, ...]:
    """Return the effect of every setting but the first on peak, end and time."""
    return tuple(
        Effect(outcome.setting.name, figure, found, _better(found))
        for outcome in outcomes[1:]
        for figure, found in (
            ("peak", outcome.peak_ratio),
            ("end", outcome.end_ratio),
            ("time", outcome.time_ratio),
        )
        if found is not None
    )


def _better(found: Ratio) -> bool | None:
    if abs(found.value - 1.0) < WORTH_A_WORD:
        return None
    if found.below:
        return True
    return False if found.above else None
