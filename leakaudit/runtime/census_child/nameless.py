"""Growth since the census before that no named container explains."""

from __future__ import annotations

import gc

from .library import library
from .named_growth import Explained, described
from .retained import BORROWED, Holdings, estimate, long_name, size_of, types_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .paths import Paths
    from .survey import Survey

ANONYMOUS = 32  # entries from which a container without a name is worth remembering
GREW_BY = 0.05
TOLD = 6  # of each kind
EXAMPLE = 100_000  # objects looked at for an example


class Growth:
    """What happened since the census before: paths to the growing containers, and growth that has no name."""

    def __init__(
        self,
        named: dict[int, list[Any]],
        sizes: dict[int, dict[str, Any]],
        before: dict[str, Any],
        growing: list[int],
        *,
        paths: Paths,
        survey: Survey,
    ) -> None:
        self.named, self.sizes, self.before, self.growing, self.paths = named, sizes, before, growing, paths
        self.types: dict[str, int] = {}
        self.survey = survey

    def explain(self, holdings: Holdings, result: dict[str, Any]) -> frozenset[int]:
        """Return the addresses of all that the growing named containers hold; note how much that is."""
        held = holdings.of({self.sizes[number].get("group", number) for number in self.growing})
        result["named_bytes"] = size_of(held) if self.growing and holdings.complete else None
        self.types = types_of(held)
        return frozenset(map(id, held))

    def tell(self, result: dict[str, Any], explained: frozenset[int], most: float) -> None:
        """Add it to the census."""
        for number in self.growing[: 4 * TOLD]:
            biggest = max(self.named[number], key=lambda seed: library["measure"](seed)[0])
            self.sizes[number]["path"] = self.paths.to(biggest)
        gained = self.gained_in_named(self.types)
        result["named"] = described(
            self.survey, self.before["names"], Explained(explained, self.types), most, self.paths
        )
        for item in result["named"]:
            add_counts(gained, item.pop("types"))
            explained |= item.pop("inside") | item.pop("seeds")
        result["named"] = [item for item in result["named"] if "path" in item]
        # What the census itself made may lie where something else lay before.
        theirs = {
            number: was for number, was in self.before["lengths"].items() if number in result["lengths"]
        }
        told = describe(anonymous(theirs, explained)[: 2 * TOLD], explained, most, self.paths)
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


def describe(
    grown: list[tuple[Any, int]], explained: frozenset[int], most: float, paths: Paths
) -> list[dict[str, Any]]:
    """Return what is known of containers that grew without a name."""
    # Each lies in a pair, and in a list below.
    BORROWED.update({id(obj): BORROWED.get(id(obj), 0) + 2 for obj, _ in grown})
    holdings = Holdings({number: [obj] for number, (obj, _) in enumerate(grown)}, most, paths.clock)
    told = []
    for number, (obj, was) in enumerate(grown):
        length = library["measure"](obj)[0]
        share = (length - was) / max(length, 1)
        retained = [item for item in holdings.retained.get(number, ()) if id(item) not in explained]
        size = size_of(retained) if holdings.complete else estimate([obj])
        told.append(
            {
                "type": type(obj).__qualname__,
                "count": [was, length],
                "bytes": round(size * share),
                "types": {name: round(count * share) for name, count in types_of(retained).items()},
                "inside": [id(item) for item in retained if item is not obj],
                "id": id(obj),
            }
        )
        del retained
    del holdings  # or the paths would lead to it
    for item, (obj, _) in zip(told, grown):
        item["path"] = paths.to(obj)
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
        holdings = Holdings({0: [obj]}, EXAMPLE)
        told["bytes"] = gain * (
            size_of(holdings.retained[0]) if holdings.complete else round(estimate([obj]))
        )
        del holdings
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
