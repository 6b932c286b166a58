"""What containers hold: each alone, and which of it others hold too."""

from __future__ import annotations

import gc
import sys
from itertools import compress, repeat
from operator import lt, mod

from .clock import PATH_SHARE, SIZE_SHARE, Clock
from .library import library
from .walk import OWNER, PART, References, Survey, Walk, spread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Any

DEEP_LIMIT = 50_000  # objects that pympler has time for
MOST_PARTS = 500
ESTIMATED = 200  # containers of one probe that stand for all
COLLECTED, MANAGED_DICT = 1 << 14, 1 << 4  # of a type's flags


#: Objects that the census itself holds, and how often.
BORROWED: dict[int, int] = {}  # the copy of the target that holds it ends with the census


class Holdings:
    """What several groups of containers hold and nothing else does: of `groups`, number -> containers.

    One walk from all of them finds what they reach. As the cyclic collector does it: an object with more references
    than come from inside is held elsewhere, and so is all that it reaches; that is left out. Groups that meet are
    walked once more, so that each object is known with the set of groups that hold it: the share of a group in a leak
    is then what it holds, divided evenly among those that hold it too (LeakShare: Vilk and Berger, BLeak, 2018).
    """

    def __init__(
        self, groups: dict[int, list[Any]], most: float = float("inf"), clock: Clock | None = None
    ) -> None:
        self.groups, self.references = groups, References()
        self.numbers = list(groups)
        seeds = {id(seed): seed for seeds in groups.values() for seed in seeds}
        found = Survey(
            list(groups.values()),
            self.references,
            most,
            lambda: clock is not None and clock.spent(SIZE_SHARE),
        )
        self.complete, self.counts, self.objects = found.complete, found.counts, found.objects
        self.sets: list[tuple[int, ...]] = [()]
        # Groups that meet others, and what these hold: by address, and held by which of the sets.
        self.walked: set[int] = set()
        self.met: dict[int, Any] = {}
        self.held_by: dict[int, int] = {}
        self.retained: dict[int, list[Any]] = {}
        self.apart: set[int] = set()  # groups that do not retain all that they hold
        self.parts: list[tuple[tuple[int, ...], int]] = []
        if self.complete:
            self.walked = {self.numbers[place] for pair in found.meetings for place in pair}
            spans = dict(zip(self.numbers, found.spans))
            self._leave_out_what_others_hold(seeds)
            for number in groups:
                if number in self.walked:
                    self._walk_group(number)
                else:
                    start, end = spans[number]
                    self._take_whole(number, self.objects[start:end], seeds)
            self.objects = []
            self.parts = self._parts()

    def _leave_out_what_others_hold(self, seeds: dict[int, Any]) -> None:
        loose = [obj for obj in held_elsewhere(self.objects, self.counts, seeds) if id(obj) not in seeds]
        for obj in loose:
            del self.counts[id(obj)]
        spread(loose, self.references, self.counts, seeds)
        # A container that something else holds is not held by the container in which it lies too.
        for obj in held_elsewhere(list(seeds.values()), self.counts, seeds):
            self.counts.pop(id(obj), None)

    def _take_whole(self, number: int, reached: list[Any], seeds: dict[int, Any]) -> None:
        """Note that a group that meets no other retains all that it reached and that nobody else holds."""
        self.retained[number] = [obj for obj in reached if id(obj) in self.counts or id(obj) in seeds]
        self.sets.append((number,))

    def _walk_group(self, number: int) -> None:
        own = dict.fromkeys(map(id, self.groups[number]), 0)
        walk = Walk(self.groups[number], self.references, self.counts)
        self._note(number, walk)
        inside = walk.counts
        # Both are in the order in which the walk came to them.
        total = map(mod, map(self.counts.get, inside, repeat(0)), repeat(OWNER))
        shared = [
            obj for obj in compress(walk.objects, map(lt, inside.values(), total)) if id(obj) not in own
        ]
        self.retained[number] = walk.objects
        if shared:
            self.apart.add(number)
            for obj in shared:
                del inside[id(obj)]
            spread(shared, self.references, inside, own)
            inside.update(own)
            self.retained[number] = [obj for obj in walk.objects if id(obj) in inside]

    def _note(self, number: int, walk: Walk) -> None:
        """Add a group to the sets of those that hold what a walk has reached."""
        added: dict[int, int] = {}
        places = list(map(self.held_by.get, walk.counts, repeat(0)))
        for place in set(places):
            added[place] = len(self.sets)
            self.sets.append((*self.sets[place], number))
        self.held_by.update(zip(walk.counts, map(added.__getitem__, places)))
        self.met.update(zip(walk.counts, walk.objects))

    def _parts(self) -> list[tuple[tuple[int, ...], int]]:
        """Return, for each set of groups, the bytes that all of them hold and no other group does; largest first."""
        sums = dict.fromkeys(self.sets, 0)
        for number, retained in self.retained.items():
            if number not in self.walked:
                sums[(number,)] = size_of(retained)
        shared = list(self.met.values())
        for start in range(0, len(shared), PART):
            part = shared[start : start + PART]
            for place, size in zip(map(self.held_by.__getitem__, map(id, part)), sizes(part)):
                sums[self.sets[place]] += size
        return sorted(((groups, size) for groups, size in sums.items() if size), key=lambda item: -item[1])

    def retained_bytes(self, number: int) -> int:
        """Return the bytes of what would go with a group."""
        if number in self.apart:
            return size_of(self.retained[number])
        return sum(size for groups, size in self.parts if number in groups)

    def of(self, numbers: Collection[int]) -> list[Any]:
        """Return all that any of some groups holds, each object once."""
        wanted = {i for i, groups in enumerate(self.sets) if not set(groups).isdisjoint(numbers)}
        alone = [self.retained[number] for number in numbers if number in self.retained.keys() - self.walked]
        return [obj for number, obj in self.met.items() if self.held_by[number] in wanted] + [
            obj for held in alone for obj in held
        ]


def held_elsewhere(objects: list[Any], counts: dict[int, int], seeds: dict[int, Any]) -> list[Any]:
    """Return the objects with more references than `counts` and the census itself account for."""
    found: list[Any] = []
    own = own_references()
    for start in range(0, len(objects), PART):
        part = objects[start : start + PART]
        references = list(map(sys.getrefcount, part))
        inside = list(map(mod, map(counts.get, map(id, part), repeat(0)), repeat(OWNER)))
        known = map(own.__add__, inside)
        for i in compress(range(len(part)), map(lt, known, references)):
            number = id(part[i])
            # A seed lies in `seeds` too, and in the list of all objects.
            if references[i] - own - BORROWED.get(number, 0) - 2 * (number in seeds) > inside[i]:
                found.append(part[i])
    return found


def own_references() -> int:
    """Return what is counted as `held_elsewhere` counts for an object that only one list holds."""
    part = [object()][:1]
    held = [*part]
    counted = next(map(sys.getrefcount, part))
    del held
    return counted


def size_of(objects: list[Any]) -> int:
    """Return the bytes of some objects together, without what they refer to."""
    return sum(sum(sizes(objects[start : start + PART])) for start in range(0, len(objects), PART))


def types_of(objects: Iterable[Any]) -> dict[str, int]:
    """Return how many objects of each type that the collector knows are among some."""
    kinds: dict[Any, int] = {}
    library["_count_elements"](kinds, map(type, filter(gc.is_tracked, objects)))
    counts: dict[str, int] = {}
    for kind, count in kinds.items():
        counts[long_name(kind)] = counts.get(long_name(kind), 0) + count
    return counts


def borrow(named: dict[int, list[Any]]) -> None:
    """Remember which objects the census itself holds, and how often."""
    for seeds in named.values():
        for seed in seeds:
            BORROWED[id(seed)] = BORROWED.get(id(seed), 0) + 1


def flat(obj: Any) -> int:
    """Return an object's own bytes as the allocator sees them."""
    return sizes([obj])[0]


#: Type's address -> how its instances are measured, and what is to be added to that.
SCALES: dict[int, tuple[Callable[[Any], int], int]] = {}  # leakaudit: bounded=by the types of the target


def sizes(objects: list[Any]) -> list[int]:
    """Return the bytes of each of some objects as the allocator sees them, without what it refers to."""
    kinds = list(map(type, objects))
    numbers = list(map(id, kinds))
    for number in set(numbers).difference(SCALES):
        SCALES[number] = scale(kinds[numbers.index(number)])
    return [
        (measure(obj) + more) & ~15 for (measure, more), obj in zip(map(SCALES.__getitem__, numbers), objects)
    ]


def scale(kind: Any) -> tuple[Callable[[Any], int], int]:
    """Return how instances of a type are measured, and what is to be added for the collector and for rounding up."""
    more = (16 if kind.__flags__ & COLLECTED else 0) + 15
    base = next(base for base in library["mro"](kind) if id(base) in library["SIZED"])
    if base is object and kind.__itemsize__:
        # Coroutines and other compiled types have no count of items where `object` looks for one.
        fixed = kind.__basicsize__
        return lambda _: fixed, more
    if sys.version_info < (3, 11) or not kind.__flags__ & MANAGED_DICT:
        return base.__sizeof__, more
    # Two words lie before such an instance; its attributes' values lie beside it. Its own size tells of neither.
    if library["container"](kind) is not None:
        return base.__sizeof__, more + 16
    return lambda obj: base.__sizeof__(obj) + 8 * len(gc.get_referents(obj)), more + 24


def long_name(kind: Any) -> str:
    """Return the name that objgraph gives a type."""
    return (
        f"{kind.__module__}.{kind.__qualname__}" if type(kind.__module__) is str else str(kind.__qualname__)
    )


def measure(
    named: dict[int, list[Any]], most: float, clock: Clock
) -> tuple[dict[int, dict[str, Any]], Holdings]:
    """Return probe -> its containers' entries, retained bytes, types, and probes inside; and what all of them hold."""
    alike: dict[frozenset[int], int] = {}  # two rules may suspect one container
    first = {number: alike.setdefault(frozenset(map(id, seeds)), number) for number, seeds in named.items()}
    # What the first groups reach takes the least memory.
    order = sorted(alike.values(), key=lambda number: -entries(named[number]))
    holdings = Holdings({number: named[number] for number in order}, most, clock)
    owners = {id(seed): number for number in alike.values() for seed in named[number]}
    found: dict[int, dict[str, Any]] = {}
    for number in sorted(alike.values()):
        size = found[number] = {"holders": len(named[number]), "entries": entries(named[number])}
        if holdings.complete:
            retained = holdings.retained[number]
            size.update(
                retained=holdings.retained_bytes(number), types=types_of(retained), reach=len(retained)
            )
            inside = {owners[address] for address in map(id, retained) if address in owners}
            size["holds"] = sorted(inside - {number})
            size["group"] = number
        else:
            size["estimate"] = round(estimate(named[number]))
    return {number: found[same] for number, same in first.items()}, holdings


def estimate(seeds: list[Any]) -> float:
    """Return the bytes that some containers reach, from samples of what lies in them."""
    some = seeds[:: max(1, len(seeds) // ESTIMATED)]
    return sum(float(library["estimate"](seed, 3)) for seed in some) * len(seeds) / len(some)


def entries(seeds: Iterable[Any]) -> int:
    """Return the entries of some containers together."""
    return sum(library["measure"](seed)[0] for seed in seeds)


def deep(seeds: list[Any], size: dict[str, Any], asizeof: Any, clock: Clock) -> int | None:
    """Return pympler's deep size, None where there is no time or too much of it."""
    if clock.spent(PATH_SHARE) or size.get("reach", DEEP_LIMIT) >= DEEP_LIMIT:
        return None
    try:
        return int(asizeof.asizeof(*seeds))
    except Exception:  # it asks objects for attributes, and some answer with errors
        return None
