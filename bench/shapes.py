"""Synthetic series for the trend rules: known shape, known rate. Unit: MiB, one sample a second.

`FIT` holds the generators that parameters were chosen on, `HELD` those that only the report uses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from random import Random

Generator = Callable[[Random, int], list[float]]
BASE = 100.0


def plus(*parts: list[float]) -> list[float]:
    """Add series up on the common base."""
    return [BASE + sum(values) for values in zip(*parts, strict=True)]


def noise(rng: Random, n: int, sd: float = 1.0) -> list[float]:
    """Independent Gaussian noise."""
    return [rng.gauss(0, sd) for _ in range(n)]


def wander(rng: Random, n: int, phi: float, sd: float = 1.0) -> list[float]:
    """A first-order autoregression with standard deviation `sd`."""
    step = sd * math.sqrt(1 - phi * phi)
    return list(
        accumulate(
            (rng.gauss(0, step) for _ in range(n - 1)), lambda x, e: phi * x + e, initial=rng.gauss(0, sd)
        )
    )


def warm_up(rng: Random, n: int) -> list[float]:
    """An exponential approach whose time constant is 3 to 15 % of the window."""
    size, tau = rng.uniform(10, 80), n * rng.uniform(0.03, 0.15)
    return [size * (1 - math.exp(-i / tau)) for i in range(n)]


def two_warm_ups(rng: Random, n: int) -> list[float]:
    """Two caches that fill at different speeds."""
    return [a + b for a, b in zip(warm_up(rng, n), warm_up(rng, n), strict=True)]


def sawtooth(rng: Random, n: int) -> list[float]:
    """A regular sawtooth of 10 to 24 cycles."""
    period, size, phase = n / rng.uniform(10, 24), rng.uniform(4, 30), rng.random()
    return [size * ((i / period + phase) % 1) for i in range(n)]


def ragged_sawtooth(rng: Random, n: int) -> list[float]:
    """A sawtooth of 10 to 24 cycles, each of its own length and height."""
    mean, values = n / rng.uniform(10, 24), []
    while len(values) < n:
        length, size = max(2, int(mean * rng.uniform(0.6, 1.4))), rng.uniform(4, 25)
        values += [size * i / length for i in range(length)]
    return values[:n]


def ratchet(rng: Random, n: int) -> list[float]:
    """The high-water mark of Gaussian requests: what an allocator that returns nothing shows."""
    return list(accumulate(noise(rng, n, 5), max))


def heavy_ratchet(rng: Random, n: int) -> list[float]:
    """The high-water mark of heavy-tailed requests."""
    return list(accumulate((min(rng.paretovariate(1.5), 200) for _ in range(n)), max))


def steps(rng: Random, n: int, count: int) -> list[float]:
    """`count` jumps at random moments."""
    jumps = [(rng.uniform(0.05, 0.95) * n, rng.uniform(5, 40)) for _ in range(count)]
    return [sum(size for at, size in jumps if i >= at) for i in range(n)]


def spikes(rng: Random, n: int) -> list[float]:
    """Rare short bursts that are given back."""
    values, size = [], 0.0
    for _ in range(n):
        size = rng.uniform(20, 80) if rng.random() < 0.03 else size * 0.3
        values.append(size)
    return values


def load_up_and_down(rng: Random, n: int) -> list[float]:
    """A live set that follows a ramp of load, up and down again."""
    top, size = n * rng.uniform(0.3, 0.6), rng.uniform(10, 40)
    return [size * max(0.0, 1 - abs(1 - i / top)) for i in range(n)]


def sine(rng: Random, n: int) -> list[float]:
    """A live set that follows four to twelve waves of load."""
    waves, phase, size = rng.uniform(4, 12), rng.uniform(0, 6.3), rng.uniform(4, 20)
    return [size * (1 + math.sin(phase + 6.2832 * waves * i / n)) for i in range(n)]


def line(rng: Random, n: int, low: float = 10, high: float = 60) -> list[float]:
    """A leak that gains 10 to 60 MiB over the window."""
    total = rng.uniform(low, high)
    return [total * i / n for i in range(n)]


def lumps(rng: Random, n: int) -> list[float]:
    """A leak in 15 to 40 lumps of random size at random moments."""
    rate = rng.uniform(15, 40) / n
    return list(accumulate(rng.expovariate(0.7) if rng.random() < rate else 0.0 for _ in range(n)))


def lumps_of(rng: Random, n: int, total: float) -> list[float]:
    """A leak in lumps of random size at random moments that comes to `total` MiB on average."""
    rate = total * 0.7 / n
    return list(accumulate(rng.expovariate(0.7) if rng.random() < rate else 0.0 for _ in range(n)))


def rounds(rng: Random, n: int) -> list[float]:
    """A leak of one equal lump per round, 12 to 30 rounds."""
    period, size = n / rng.uniform(12, 30), rng.uniform(1, 4)
    return [size * (i // period) for i in range(n)]


def curve(rng: Random, n: int) -> list[float]:
    """A leak whose rate grows: quadratic."""
    total = rng.uniform(20, 80)
    return [total * (i / n) ** 2 for i in range(n)]


FIT: dict[str, tuple[bool, Generator]] = {
    "noise": (False, lambda r, n: plus(noise(r, n))),
    "warm-up": (False, lambda r, n: plus(noise(r, n), warm_up(r, n))),
    "ratchet": (False, lambda r, n: plus(noise(r, n, 0.1), ratchet(r, n))),
    "sawtooth": (False, lambda r, n: plus(noise(r, n), sawtooth(r, n))),
    "one step": (False, lambda r, n: plus(noise(r, n), steps(r, n, 1))),
    "two steps": (False, lambda r, n: plus(noise(r, n, 0.5), steps(r, n, 2))),
    "four steps": (False, lambda r, n: plus(noise(r, n), steps(r, n, 4))),
    "AR(1) 0.9": (False, lambda r, n: plus(wander(r, n, 0.9))),
    "flat": (False, lambda _, n: plus([0.0] * n)),
    "leak": (True, lambda r, n: plus(noise(r, n), line(r, n))),
    "leak + sawtooth": (True, lambda r, n: plus(noise(r, n), sawtooth(r, n), line(r, n))),
    "leak + warm-up": (True, lambda r, n: plus(noise(r, n), warm_up(r, n), line(r, n))),
    "leak in lumps": (True, lambda r, n: plus(noise(r, n, 0.3), lumps(r, n))),
}
HELD: dict[str, tuple[bool, Generator]] = {
    "log-normal noise": (False, lambda r, n: plus([r.lognormvariate(0, 0.8) for _ in range(n)])),
    "two warm-ups": (False, lambda r, n: plus(noise(r, n, 0.3), two_warm_ups(r, n))),
    "heavy ratchet": (False, lambda r, n: plus(noise(r, n, 0.1), heavy_ratchet(r, n))),
    "ragged sawtooth": (False, lambda r, n: plus(noise(r, n, 0.5), ragged_sawtooth(r, n))),
    "three steps": (False, lambda r, n: plus(noise(r, n, 0.5), steps(r, n, 3))),
    "AR(1) 0.97": (False, lambda r, n: plus(wander(r, n, 0.97))),
    "spikes": (False, lambda r, n: plus(noise(r, n, 0.3), spikes(r, n))),
    "load up and down": (False, lambda r, n: plus(noise(r, n), load_up_and_down(r, n))),
    "sine": (False, lambda r, n: plus(noise(r, n), sine(r, n))),
    "leak on AR(1) 0.9": (True, lambda r, n: plus(wander(r, n, 0.9), line(r, n))),
    "leak + ragged sawtooth": (True, lambda r, n: plus(noise(r, n, 0.5), ragged_sawtooth(r, n), line(r, n))),
    "leak + spikes": (True, lambda r, n: plus(noise(r, n, 0.3), spikes(r, n), line(r, n))),
    "leak + step": (True, lambda r, n: plus(noise(r, n), steps(r, n, 1), line(r, n))),
    "leak per round": (True, lambda r, n: plus(noise(r, n, 0.3), rounds(r, n))),
    "leak, accelerating": (True, lambda r, n: plus(noise(r, n), curve(r, n))),
    "leak, slow": (True, lambda r, n: plus(noise(r, n, 0.3), line(r, n, 4, 10))),
}
