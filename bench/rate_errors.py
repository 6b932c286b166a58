"""How far the rate of a leak is off, and how often its interval holds the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import shapes
from shares import percent

from leakaudit.process.trend import classify

MIB = 1024.0 * 1024.0


def intervals(count: int) -> Iterator[str]:
    """The table of the rate's error and of how often its interval holds the truth."""
    leaks: dict[str, Callable[[Random, int, float], list[float]]] = {
        "even": lambda r, n, t: shapes.plus(shapes.noise(r, n), shapes.line(r, n, t, t)),
        "under a sawtooth": lambda r, n, t: shapes.plus(
            shapes.noise(r, n), shapes.sawtooth(r, n), shapes.line(r, n, t, t)
        ),
        "behind a warm-up": lambda r, n, t: shapes.plus(
            shapes.noise(r, n), shapes.warm_up(r, n), shapes.line(r, n, t, t)
        ),
        "on AR(1) 0.9": lambda r, n, t: shapes.plus(shapes.wander(r, n, 0.9), shapes.line(r, n, t, t)),
        "in random lumps": lambda r, n, t: shapes.plus(shapes.noise(r, n, 0.3), shapes.lumps_of(r, n, t)),
    }
    yield "| leak, 240 samples | median error | 5 % to 95 % of errors | interval holds the truth | its median width |"
    yield "|---|---|---|---|---|"
    rng = Random(7)
    for name, make in leaks.items():
        errors, widths, hits = [], [], 0
        for _ in range(count):
            total = rng.uniform(10, 60)
            trend = classify([(float(i), v * MIB) for i, v in enumerate(make(rng, 240, total))])
            if trend.grows:
                true = total * MIB / 240
                errors.append(100 * (trend.rate.per_s / true - 1))
                widths.append(100 * (trend.rate.high - trend.rate.low) / true)
                hits += trend.rate.low <= true <= trend.rate.high
        errors.sort()
        widths.sort()
        middle, low, high = (errors[int(q * (len(errors) - 1))] for q in (0.5, 0.05, 0.95))
        yield (
            f"| {name} | {middle:+.0f} % | {low:+.0f} % to {high:+.0f} % | {percent(hits, len(errors))} % | "
            f"{widths[len(widths) // 2]:.0f} % |"
        )
