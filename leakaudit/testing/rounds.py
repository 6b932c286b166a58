"""What grows in every round: counts before the first round and after each, by name.

The rule is that of BLeak (Vilk and Berger, 2018) and of LeakCanary's heap growth detector: something leaks if it gains
at least one for every run of the body, in every round. A cache that fills, a pool that warms up and a log that is
rotated stop or shrink in some round, and are silence.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from leakaudit.errors import UsageError


@dataclass(frozen=True, slots=True)
class Plan:
    """How often the body runs: `warmup` times unseen, then `rounds` times `repeat`."""

    rounds: int = 5
    repeat: int = 10
    warmup: int = 10

    def __post_init__(self) -> None:
        """Refuse a plan that could not tell anything."""
        for name, least in (("rounds", 2), ("repeat", 1), ("warmup", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(
                    f"{name} is {value!r}", f"give a whole number, {least} or more: `{name}={least + 3}`"
                )

    @property
    def calls(self) -> int:
        """The runs of the body between the first count and the last."""
        return self.rounds * self.repeat

    def phases(self) -> Sequence[int]:
        """Return how often the body runs before each count."""
        return (self.warmup, *[self.repeat] * self.rounds)

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.rounds} rounds of {self.repeat} calls, after {self.warmup} to warm up"


_Key = TypeVar("_Key", str, int)


def growing(counts: Sequence[Mapping[_Key, int]], repeat: int) -> dict[_Key, int]:
    """Return name -> gain over all rounds, of the names that gained `repeat` or more in each; most first."""
    first, last = counts[0], counts[-1]
    gains = {name: last[name] - first.get(name, 0) for name in last}
    found = {
        name: gain
        for name, gain in gains.items()
        if gain >= repeat * (len(counts) - 1) and _in_each(name, counts, repeat)
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _in_each(name: _Key, counts: Sequence[Mapping[_Key, int]], repeat: int) -> bool:
    return all(
        after.get(name, 0) - before.get(name, 0) >= repeat for before, after in itertools.pairwise(counts)
    )


def calls(plan: Plan, count: Callable[[], None]) -> Iterator[int]:
    """Yield once for each run of the body; count after the warm-up and after each round."""
    for runs in plan.phases():
        yield from range(runs)
        count()
