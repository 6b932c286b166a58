"""Growth since the census before that no named container explains."""

from __future__ import annotations

import gc

from .library import library
from .retained import Retained, flat, long_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .paths import Paths

ANONYMOUS = 32  # entries from which a container without a name is worth remembering
GREW_BY = 0.05
TOLD = 6  # of each kind


class Growth:
    """What happened since the census before: paths to the growing containers, and growth that has no name."""

    def __init__(
        self,
        named: dict[int, list[Any]],
        sizes: dict[int, dict[str, Any]],
        before: dict[str, Any],
        growing: list[int],
        paths: Paths,
    ) -> None:
        self.named, self.sizes, self.before, self.growing, self.paths = named, sizes, before, growing, paths

    def tell(self, result: dict[str, Any]) -> None:
        """Add it to the census."""
        for number in self.growing[: 4 * TOLD]:
            biggest = max(self.named[number], key=lambda seed: library["measure"](seed)[0])
            self.sizes[number]["path"] = self.paths.to(biggest)
        together = Retained([seed for number in self.growing for seed in self.named[number]])
        result["named_bytes"] = together.size() if self.growing and together.complete else None
        gained = self.gained_in_named(together.types())
        explained = frozenset(together.inside)
        del together
        grown = anonymous(self.before["lengths"], explained)
        told = [describe(obj, was, explained, self.paths) for obj, was in grown[: 2 * TOLD]]
        del grown
        for item in told:
            add_counts(gained, item["types"])
        result["unexplained"] = topmost(told)[:TOLD]
        rest = sorted(self.unexplained_types(result["types"], gained), reverse=True)[:TOLD]
        result["unexplained_types"] = [
            example(name, gain, count, explained, self.paths) for gain, name, count in rest
        ]

    def gained_in_named(self, types: dict[str, int]) -> dict[str, int]:
        """Return how many objects of each type the growing named containers gained."""
        gained = dict(types)
        held = {inner for number in self.growing for inner in self.sizes[number].get("holds", ())}
        for number in self.growing:
            if number not in held:
                was = self.before["containers"].get(str(number), {}).get("types", {})
                add_counts(gained, {name: -count for name, count in was.items()})
        return gained

    def unexplained_types(
        self, types: dict[str, int], gained: dict[str, int]
    ) -> Iterable[tuple[int, str, int]]:
        """Yield gain, name and count of the types that gained more objects than all containers told of."""
        for name, count in types.items():
            gain = count - self.before["types"].get(name, 0) - gained.get(name, 0)
            if gain >= max(50, 0.02 * count) and name not in ("builtins.frame", "builtins.traceback"):
                yield gain, name, count


def add_counts(sums: dict[str, int], counts: dict[str, int]) -> None:
    """Add counts by name to others."""
    for name, count in counts.items():
        sums[name] = sums.get(name, 0) + count


def anonymous(before: dict[str, list[Any]], explained: frozenset[int]) -> list[tuple[Any, int]]:
    """Return the containers that gained entries and lie in no growing named one, with their former length."""
    grown = []
    for obj in gc.get_objects():
        was = before.get(str(id(obj)))
        base = library["CONTAINERS"].get(id(type(obj)))
        if was is None or base is None or was[0] != base.__name__ or id(obj) in explained:
            continue
        gain = base.__len__(obj) - was[1]
        if gain >= max(8, GREW_BY * was[1]):
            grown.append((obj, was[1]))
    grown.sort(key=lambda item: item[1] - library["measure"](item[0])[0])
    return grown


def describe(obj: Any, was: int, explained: frozenset[int], paths: Paths) -> dict[str, Any]:
    """Return what is known of a container that grew without a name."""
    retained = Retained([obj])
    length = library["measure"](obj)[0]
    share = (length - was) / max(length, 1)
    told = {
        "type": type(obj).__qualname__,
        "count": [was, length],
        "bytes": round((retained.size(explained) if retained.complete else flat(obj)) * share),
        "types": {name: round(count * share) for name, count in retained.types().items()},
        "inside": [number for number in retained.inside if number != id(obj)],
        "id": id(obj),
    }
    del retained  # or the path would lead to it
    told["path"] = paths.to(obj)
    return told


def topmost(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out containers that another one holds; largest growth first."""
    held = {number for item in told for number in item["inside"]}
    kept = [item for item in told if item["id"] not in held]
    for item in told:
        del item["inside"]
    return sorted(kept, key=lambda item: -item["bytes"])


def example(name: str, gain: int, count: int, explained: frozenset[int], paths: Paths) -> dict[str, Any]:
    """Return a growing type with the retaining path of one of its youngest unexplained objects."""
    told: dict[str, Any] = {"type": name, "count": [count - gain, count], "bytes": None, "path": []}
    objects = reversed(gc.get_objects())
    obj = next(
        (item for item in objects if id(item) not in explained and long_name(type(item)) == name), None
    )
    del objects
    if obj is not None:
        retained = Retained([obj])
        told["bytes"] = gain * (retained.size() if retained.complete else flat(obj))
        del retained
        told["path"] = paths.to(obj)
    return told


def lengths(objects: list[Any]) -> dict[str, list[Any]]:
    """Return address -> [type, length] of the containers large enough to be worth a comparison."""
    found = {}
    for obj in objects:
        base = library["CONTAINERS"].get(id(type(obj)))
        if base is not None and base is not tuple:
            length = base.__len__(obj)
            if length >= ANONYMOUS:
                found[str(id(obj))] = [base.__name__, length]
    return found
