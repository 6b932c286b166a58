"""What some containers hold and nothing else does."""

from __future__ import annotations

import gc
import sys
from types import CodeType, FrameType, FunctionType, ModuleType

from .clock import PATH_SHARE, SIZE_SHARE, Clock
from .library import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

REACH_LIMIT = 400_000  # objects looked at for one container
OPAQUE = (ModuleType, CodeType, FrameType, type)


def referents(obj: Any) -> list[Any]:
    """Return what an object keeps alive; what its code merely uses is left out."""
    if type(obj) is FunctionType:
        shared = (id(obj.__globals__), id(obj.__builtins__) if hasattr(obj, "__builtins__") else 0)
        return [item for item in gc.get_referents(obj) if id(item) not in shared]
    return gc.get_referents(obj)


#: Objects that the census itself holds, and how often.
BORROWED: dict[int, int] = {}  # leakaudit: bounded=the copy of the target that holds it ends with the census


class Retained:
    """What would go if some containers went: all that is reachable from them and from nowhere else.

    As the cyclic collector does it: an object whose references all come from inside the set belongs to it; one with a
    reference from elsewhere does not, nor does anything that such an object reaches.
    """

    def __init__(self, seeds: list[Any]) -> None:
        self.complete = True
        self.inside: dict[int, Any] = {id(seed): seed for seed in seeds}
        self.seeds = frozenset(self.inside)
        counted: dict[int, int] = {}
        self._reach(list(seeds), counted)
        self._drop(self._held_elsewhere(counted))

    def _reach(self, todo: list[Any], counted: dict[int, int]) -> None:
        inside = self.inside
        while todo:
            obj = todo.pop()
            for item in referents(obj):
                number = id(item)
                counted[number] = counted.get(number, 0) + 1
                if number not in inside and not is_program(item):
                    inside[number] = item
                    todo.append(item)
            if len(inside) > REACH_LIMIT:
                self.complete = False
                return

    def _held_elsewhere(self, counted: dict[int, int]) -> list[Any]:
        extra = own_references()
        counted_elsewhere = (
            number
            for number in self.inside
            if sys.getrefcount(self.inside[number]) - extra - BORROWED.get(number, 0) > counted.get(number, 0)
        )
        return [number for number in counted_elsewhere if number not in self.seeds]

    def _drop(self, numbers: list[int]) -> None:
        todo = [self.inside.pop(number) for number in numbers]
        while todo:
            reached = {id(item) for item in referents(todo.pop())} - self.seeds
            todo += [self.inside.pop(number) for number in reached if number in self.inside]

    def size(self, without: frozenset[int] = frozenset()) -> int:
        """Return the bytes of it all, or of it without some objects."""
        return sum(flat(obj) for number, obj in self.inside.items() if number not in without)

    def types(self) -> dict[str, int]:
        """Return how many objects of each collected type are in it."""
        counts: dict[str, int] = {}
        for obj in self.inside.values():
            if gc.is_tracked(obj):
                name = long_name(type(obj))
                counts[name] = counts.get(name, 0) + 1
        return counts


def borrow(named: dict[int, list[Any]]) -> None:
    """Remember which objects the census itself holds, and how often."""
    for seeds in named.values():
        for seed in seeds:
            BORROWED[id(seed)] = BORROWED.get(id(seed), 0) + 1


def is_program(obj: Any) -> bool:
    """Tell whether an object belongs to the program rather than to its data."""
    return any(base in OPAQUE for base in type(obj).__mro__)


def own_references() -> int:
    """Return what `sys.getrefcount(d[k])` says of an object that only the dict holds."""
    held = {0: object()}
    return sys.getrefcount(held[0])


def flat(obj: Any) -> int:
    """Return an object's own bytes as the allocator sees them."""
    size = int(library["shallow"](obj))
    if type(obj).__flags__ & 1 << 9 and library["container"](type(obj)) is None:
        size += 8 * len(gc.get_referents(obj))  # the attributes of an instance
    return (size + 15) & ~15


def long_name(kind: Any) -> str:
    """Return the name that objgraph gives a type."""
    return (
        f"{kind.__module__}.{kind.__qualname__}" if type(kind.__module__) is str else str(kind.__qualname__)
    )


def measure(named: dict[int, list[Any]], first: list[int], clock: Clock) -> dict[int, dict[str, Any]]:
    """Return probe -> entries, retained bytes, their types, and the probes whose containers are inside."""
    order = sorted(named, key=lambda number: (number not in first, -entries(named[number])))
    owners = {id(seed): number for number, seeds in named.items() for seed in seeds}
    sizes: dict[int, dict[str, Any]] = {}
    same: dict[frozenset[int], dict[str, Any]] = {}
    for number in order:
        seeds = frozenset(map(id, named[number]))
        if seeds in same:  # two rules may suspect one container
            sizes[number] = same[seeds]
            continue
        size: dict[str, Any] = {"holders": len(named[number]), "entries": entries(named[number])}
        sizes[number] = same[seeds] = size
        if clock.spent(SIZE_SHARE):
            continue
        retained = Retained(named[number])
        if retained.complete:
            size["retained"] = retained.size()
            size["types"] = retained.types()
            size["holds"] = sorted({owners[i] for i in retained.inside if i in owners and i not in seeds})
            size["reach"] = len(retained.inside)
        del retained  # or the next one would find its objects held by this one
    return sizes


def entries(seeds: Iterable[Any]) -> int:
    """Return the entries of some containers together."""
    return sum(library["measure"](seed)[0] for seed in seeds)


def deep(seeds: list[Any], size: dict[str, Any], asizeof: Any, clock: Clock) -> int | None:
    """Return pympler's deep size, None where there is no time or too much of it."""
    if clock.spent(PATH_SHARE) or size.get("reach", REACH_LIMIT) > REACH_LIMIT // 8:
        return None
    try:
        return int(asizeof.asizeof(*seeds))
    except Exception:  # it asks objects for attributes, and some answer with errors
        return None
