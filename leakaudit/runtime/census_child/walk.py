"""Following references, thousands of objects at a time, so that the loops run in C."""

from __future__ import annotations

import gc
from collections import OrderedDict
from itertools import compress, repeat
from operator import floordiv, not_
from types import CodeType, FrameType, FunctionType, ModuleType

from .library import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

PART = 4096
OWNER = 1 << 40
OPAQUE = (ModuleType, CodeType, FrameType, type)


class References:
    """What objects keep alive. What belongs to the program rather than to its data is left out."""

    def __init__(self) -> None:
        self.data: dict[int, bool] = {}  # type's address -> whether its instances are data
        self.namespaces: set[int] = set()  # functions use their module's names, and do not hold them
        self.mappings: dict[
            int, int
        ] = {}  # type's address -> references that a dict tells per entry at least

    def of(self, objects: list[Any]) -> list[Any]:
        """Return what some objects refer to, once per reference."""
        for function in objects:
            if type(function) is FunctionType:
                self.namespaces.add(id(function.__globals__))
                self.namespaces.add(id(getattr(function, "__builtins__", None)))
        found = gc.get_referents(*objects)
        for mapping, told in self._mappings(objects):
            found += untold_keys(mapping, told)
        kinds = list(map(type, found))
        numbers = list(map(id, kinds))
        for number in set(numbers).difference(self.data):
            kind = kinds[numbers.index(number)]
            self.data[number] = not any(base in OPAQUE for base in kind.__mro__)
        found = list(compress(found, map(self.data.__getitem__, numbers)))
        if not self.namespaces.isdisjoint(map(id, found)):
            found = [item for item in found if id(item) not in self.namespaces]
        return found

    def _mappings(self, objects: list[Any]) -> Iterable[tuple[Any, int]]:
        numbers = list(map(id, map(type, objects)))
        for number in set(numbers).difference(self.mappings):
            self.mappings[number] = told_per_entry(type(objects[numbers.index(number)]))
        told = list(map(self.mappings.__getitem__, numbers))
        return compress(zip(objects, told), told)


def told_per_entry(kind: Any) -> int:
    """Return how many references the collector tells of for each entry of a dict with strings as keys; 0 for others."""
    if library["container"](kind) is not dict:
        return 0
    return 2 if library["inherits"](kind, OrderedDict) else 1  # whose list of keys is told


def untold_keys(mapping: Any, told: int) -> Iterable[Any]:
    """Return the keys of a dict of which the collector says nothing: all, where all are strings.

    A dict whose values lie in its instance has the names of attributes as keys; those belong to the class.
    """
    size = dict.__len__(mapping)
    if size == 0 or type(next(dict.__iter__(mapping))) is not str:
        return ()
    references = len(gc.get_referents(mapping))
    return dict.keys(mapping) if told * size <= references < (told + 1) * size else ()


class Walk:
    """All that some objects reach within a set of addresses, each object once.

    `counts` maps an object's address to the number of references to it from inside.
    """

    def __init__(self, seeds: Iterable[Any], references: References, within: Mapping[int, Any]) -> None:
        first = {id(seed): seed for seed in seeds}
        self.counts = dict.fromkeys(first, 0)
        self.objects = list(first.values())
        done = 0
        while done < len(self.objects):
            part = self.objects[done : done + PART]
            done += len(part)
            self._follow(references.of(part), within)

    def _follow(self, found: list[Any], within: Mapping[int, Any]) -> None:
        numbers = list(map(id, found))
        known = list(map(within.__contains__, numbers))
        found, numbers = list(compress(found, known)), list(compress(numbers, known))
        new = map(not_, map(self.counts.__contains__, numbers))
        fresh = dict(compress(zip(numbers, found), new))
        library["_count_elements"](self.counts, numbers)
        self.objects.extend(fresh.values())


class Survey:
    """All that groups of containers reach, each object once, with the group that came first.

    `counts` maps an object's address to the number of references to it from inside, plus `OWNER` times the place of
    that group; `spans` are the groups' parts of `objects`; `meetings` are the pairs of groups that reach each other's.
    `complete` is False if there were more than `most` objects, or `spent` said to stop.
    """

    def __init__(
        self, groups: Sequence[Sequence[Any]], references: References, most: float, spent: Callable[[], bool]
    ) -> None:
        self.references, self.most, self.spent = references, most, spent
        self.counts: dict[int, int] = {}
        self.objects: list[Any] = []
        self.spans: list[tuple[int, int]] = []
        self.meetings: set[tuple[int, int]] = set()
        self.complete = True
        for place, seeds in enumerate(groups):
            for number in map(id, seeds):
                self._meet(place, {self.counts.setdefault(number, place * OWNER) // OWNER})
        for place, seeds in enumerate(groups):
            own = [seed for seed in seeds if self.counts[id(seed)] // OWNER == place]
            self._reach(place, list({id(seed): seed for seed in own}.values()))

    def _reach(self, place: int, seeds: list[Any]) -> None:
        start = done = len(self.objects)
        self.objects += seeds
        while done < len(self.objects) and self.complete:
            part = self.objects[done : done + PART]
            done += len(part)
            self._follow(place, self.references.of(part))
            self.complete = len(self.objects) <= self.most and not self.spent()
        self.spans.append((start, len(self.objects)))

    def _follow(self, place: int, found: list[Any]) -> None:
        numbers = list(map(id, found))
        new = list(map(not_, map(self.counts.__contains__, numbers)))
        fresh = dict(compress(zip(numbers, found), new))
        self.counts.update(dict.fromkeys(fresh, place * OWNER))
        self._meet(place, set(map(floordiv, map(self.counts.__getitem__, numbers), repeat(OWNER))))
        library["_count_elements"](self.counts, numbers)
        self.objects.extend(fresh.values())

    def _meet(self, place: int, others: set[int]) -> None:
        others.discard(place)
        self.meetings.update((place, other) for other in others)


def spread(todo: list[Any], references: References, left: dict[int, Any], stop: Mapping[int, Any]) -> None:
    """Take out of `left` the addresses of all that some objects reach through it; those in `stop` are not passed."""
    while todo:
        found = references.of(todo[-PART:])
        del todo[-PART:]
        numbers = list(map(id, found))
        fresh = dict(compress(zip(numbers, found), map(left.__contains__, numbers)))
        for number in fresh:
            del left[number]
        todo.extend(item for number, item in fresh.items() if number not in stop)
