"""Runs that never ran, for the tests of what comparisons make of them."""

from __future__ import annotations

import math

from leakaudit.process.compare.figures import Reading
from leakaudit.process.compare.matrix import Setting, combine, parse_environment
from leakaudit.process.compare.outcome import Outcome, outcomes
from leakaudit.process.compare.recording import Ending, Recording, Snapshot

MIB = 1 << 20
SHAPES = {
    "growing": lambda t: 50 + 10 * t,
    "sawtooth": lambda t: 50 + 20 * (t % 1.0),
    "stable": lambda t: 50 + 0.1 * math.sin(7 * t),
}


def recording(setting: str, shape: str, repeat: int = 1, factor: float = 1.0, code: int = 0) -> Recording:
    """A run of 12 s, sampled every 50 ms, of one of SHAPES."""
    snapshots = tuple(Snapshot(i / 20, int(SHAPES[shape](i / 20) * factor * MIB), 1, 0) for i in range(240))
    return Recording(
        setting, repeat, snapshots, Ending(code, 12.0, last_words="Boom" if code else ""), code == 0
    )


def settings(*options: str) -> tuple[Setting, ...]:
    """Every combination of `--env` options."""
    return combine([parse_environment(text) for text in options or ("MODE=a,b",)], ("job",))


def compared(*shapes: tuple[str, ...], factors: tuple[float, ...] = (1.0, 1.01, 0.99)) -> tuple[Outcome, ...]:
    """One setting MODE=a, b, ... for each tuple of shapes; the n-th run is as large as `factors` say."""
    names = ",".join("abcdef"[: len(shapes)])
    found = settings(f"MODE={names}")
    recordings = [
        recording(setting.name, shape, repeat + 1, factors[repeat % len(factors)])
        for setting, runs in zip(found, shapes, strict=True)
        for repeat, shape in enumerate(runs)
    ]
    return outcomes(found, recordings, Reading())
