"""What all runs of a setting come to, beside the first setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from leakaudit.process.compare.figures import Figures, Reading, figures
from leakaudit.process.compare.matrix import Setting
from leakaudit.process.compare.ratio import Ratio, ratio
from leakaudit.process.compare.recording import Recording
from leakaudit.process.rate import Rate
from leakaudit.process.trend import Shape

#: Figure -> how to read it from one run.
NUMBERS: dict[str, Callable[[Figures], float]] = {
    "peak": lambda run: run.peak,
    "end": lambda run: run.end,
    "time": lambda run: run.seconds,
    "rate": lambda run: run.trend.rate.per_s,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The runs of one setting that ended well, and those that did not.

    The ratios are to the first setting, None where there is nothing to compare.
    """

    setting: Setting
    runs: tuple[Figures, ...]
    failures: tuple[Recording, ...]
    peak_ratio: Ratio | None
    end_ratio: Ratio | None
    time_ratio: Ratio | None

    def median(self, figure: str) -> float:
        """Return the median over the runs of one of NUMBERS; there has to be a run."""
        return median(NUMBERS[figure](run) for run in self.runs)

    @property
    def rate(self) -> Rate:
        """The median of the runs' rates, from the lowest to the highest end of their intervals."""
        rates = [run.trend.rate for run in self.runs]
        return Rate(self.median("rate"), min(r.low for r in rates), max(r.high for r in rates))

    @property
    def trends(self) -> tuple[tuple[Shape, int], ...]:
        """The shapes that were seen and in how many runs, the most frequent first."""
        return tuple(Counter(run.trend.shape for run in self.runs).most_common())

    @property
    def middle(self) -> Figures:
        """The run whose peak is the middle one: the one to show."""
        ordered = sorted(self.runs, key=lambda run: run.peak)
        return ordered[(len(ordered) - 1) // 2]


def outcomes(
    settings: Sequence[Setting], recordings: Sequence[Recording], reading: Reading
) -> tuple[Outcome, ...]:
    """Return one outcome for each setting, in their order."""
    good = {
        setting.name: tuple(figures(r, reading) for r in recordings if r.setting == setting.name and r.usable)
        for setting in settings
    }
    base = good[settings[0].name]
    return tuple(
        Outcome(
            setting=setting,
            runs=good[setting.name],
            failures=tuple(r for r in recordings if r.setting == setting.name and not r.usable),
            peak_ratio=_ratio(good[setting.name], base, "peak"),
            end_ratio=_ratio(good[setting.name], base, "end"),
            time_ratio=_ratio(good[setting.name], base, "time"),
        )
        for setting in settings
    )


def _ratio(runs: Sequence[Figures], base: Sequence[Figures], figure: str) -> Ratio | None:
    read = NUMBERS[figure]
    return ratio([read(run) for run in runs], [read(run) for run in base])
