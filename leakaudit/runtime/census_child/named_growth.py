"""Growth of containers that have a name, whether or not a finding suspects them."""

from __future__ import annotations

import gc
import sys
from typing import NamedTuple
from weakref import ref

from .library import library
from .retained import Holdings, borrow, estimate, size_of, types_of
from .survey import HEAP_TYPE, is_collection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .paths import Paths
    from .survey import Survey

LOOKED_AT = 40  # grown names that are measured
TOLD = 12
WEAK_SAMPLE = 4  # containers that tell whether all hold weak references
FILLED_DEPTH, FILLED_WIDTH, FILLED_MOST = 3, 8, 12
MOST_HELD = 0.5  # of many small containers


class Explained(NamedTuple):
    """What findings account for: addresses of objects, and type -> how many of them."""

    objects: frozenset[int]
    types: dict[str, int]


def grown_names(
    names: dict[str, list[Any]], before: dict[str, list[Any]], rising: list[str] | None
) -> list[str]:
    """Return the names that gained entries, most first; only `rising` ones if it is known which they are."""
    gains = {
        name: row[0] - before.get(name, (0,))[0]
        for name, row in names.items()
        if rising is None or name in rising
    }
    grown = [name for name, gain in gains.items() if gain > 0]
    return sorted(grown, key=lambda name: -gains[name])[:LOOKED_AT]


def described(
    survey: Survey, before: dict[str, list[Any]], explained: Explained, most: float, paths: Paths
) -> list[dict[str, Any]]:
    """Return what is known of the containers that a survey has kept, those that others hold left out."""
    groups: dict[frozenset[int], list[str]] = {}
    for name, kept in survey.kept.items():
        ids = frozenset(map(id, kept))
        if ids and not ids <= explained.objects:
            groups.setdefault(ids, []).append(name)
    borrow(dict(enumerate(survey.kept.values())))
    numbered = dict(enumerate(groups.values()))
    holdings = Holdings({n: survey.kept[names[0]] for n, names in numbered.items()}, most, paths.clock)
    found = [describe(n, names, survey, holdings, explained.objects) for n, names in numbered.items()]
    for item in found:
        _, holders, largest, *_ = before.get(item["names"][0], (0, 0, 0))
        many = item["holders"] > holders > 0 and item["largest"] <= largest
        item["population"] = many or is_weak(survey.kept[item["names"][0]])
    told = outermost(found, explained)
    shares = shared_evenly(holdings, {item["number"] for item in told if item["told"]})
    del holdings  # or the paths would lead to it
    for item in told:
        was, now = item["count"] = [before.get(item["names"][0], (0,))[0], item["count"]]
        part = max(0, now - was) / max(now, 1)
        item["bytes"] = round(max(item["bytes"], shares.get(item.pop("number"), 0)) * part)
        item["types"] = {name: round(count * part) for name, count in item["types"].items()}
    told.sort(key=lambda item: (item["population"], -item["bytes"], -item["count"][1]))
    for item in [item for item in told if item["told"]][:TOLD]:
        biggest = max(survey.kept[item["names"][0]], key=entries_of)
        item["path"] = paths.to(biggest)
        item["filled_by"] = filled_by(biggest)
    return told


def describe(
    number: int, names: list[str], survey: Survey, holdings: Holdings, explained: frozenset[int]
) -> dict[str, Any]:
    """Return names, entries and retained bytes of the containers that go by the same names."""
    seeds, row = survey.kept[names[0]], survey.rows[names[0]]
    retained = [item for item in holdings.retained.get(number, ()) if id(item) not in explained]
    return {
        "number": number,
        "type": type(max(seeds, key=entries_of)).__qualname__,
        "count": row[0],
        "holders": row[1],
        "largest": row[2],
        "limit": row[3],
        "bytes": size_of(retained) if holdings.complete else estimate(seeds),
        "types": types_of(retained),
        "inside": frozenset(map(id, retained)),
        "seeds": frozenset(map(id, seeds)),
        "names": names,
        "bases": bases(names[0]),
        "collection": in_collection(names[0]),
    }


def is_weak(seeds: list[Any]) -> bool:
    """Tell whether containers hold weak references, so that they keep nothing alive."""
    some = [item for seed in seeds[:WEAK_SAMPLE] for item in newest(seed)]
    return bool(some) and all(isinstance(item, ref) for item in some)


def newest(value: Any) -> list[Any]:
    """Return the last entry, or the last key where keys are weak references; of a set, any."""
    base = library["container"](type(value))
    if base is None or not base.__len__(value):
        return []
    if base is dict and isinstance(next(dict.__iter__(value)), ref):
        return [next(dict.__iter__(value))]
    found: list[Any] = library["ends"](value, base, 1)
    return found[-1:]


def filled_by(value: Any) -> list[list[str]]:
    """Return [module, qualname] of functions and classes that the newest entry leads to, nearest first."""
    found: list[list[str]] = []
    level, seen = newest(value), set()
    for _ in range(FILLED_DEPTH):
        below: list[Any] = []
        for item in level[:FILLED_WIDTH]:
            kind = type(item)
            named = item if kind is library["Function"] else kind
            if named is item or kind.__flags__ & HEAP_TYPE:
                found.append([str(named.__module__), named.__qualname__])
            below += [i for i in gc.get_referents(item) if not library["is_class"](i) and id(i) not in seen]
            seen.add(id(item))
        level = [item for item in below if type(item) is not library["Module"]]
    return found[:FILLED_MOST]


def entries_of(value: Any) -> int:
    """Return the entries of a container."""
    return int(library["measure"](value)[0])


def outermost(found: list[dict[str, Any]], explained: Explained) -> list[dict[str, Any]]:
    """Leave out what a larger one holds; mark the small ones that are many because something holds their owners."""
    kept: list[dict[str, Any]] = []
    inside, held = set(explained.objects), dict(explained.types)
    for item in sorted(found, key=lambda item: (item["population"], -item["bytes"], -item["count"])):
        if item["seeds"] <= inside:
            continue
        owner = ".".join(item["names"][0].split(":")[:2])
        item["told"] = not item["population"] or held.get(owner, 0) <= MOST_HELD * item["holders"]
        kept.append(item)
        inside |= item["inside"]
        for name, count in item["types"].items():
            held[name] = held.get(name, 0) + count
    return kept


def shared_evenly(holdings: Holdings, kept: set[int]) -> dict[int, float]:
    """Return for each group that is kept the bytes it holds, divided by the number of groups that hold them too."""
    shares: dict[int, float] = {}
    for numbers, size in holdings.parts:
        among = kept.intersection(numbers)
        for number in among:
            shares[number] = shares.get(number, 0.0) + size / len(among)
    return shares


def owner_of(name: str) -> Any:
    """Return the class that a name's owner is, None where it is none."""
    module, qualname, _ = name.split(":", 2)
    value = sys.modules.get(module)
    try:
        for part in filter(None, qualname.split(".")):
            value = library["attribute"](value, part)
    except (LookupError, AttributeError):
        return None
    return value if library["is_class"](value) else None


def bases(name: str) -> list[str]:
    """Return the classes, as module:qualname, that may declare an attribute: the owner and what it derives from."""
    owner = owner_of(name)
    mro = () if owner is None else library["mro"](owner)
    written = (kind for kind in mro if kind.__flags__ & HEAP_TYPE)
    return [f"{module}:{kind.__qualname__}" for kind in written for module in modules_of(kind)]


def modules_of(kind: Any) -> list[str]:
    """Return the module that a class says it is from, and those in which its functions are written."""
    spaces = (
        value.__globals__.get("__name__")
        for value in list(library["_get_namespace"](kind).values())
        if type(value) is library["Function"] and value.__qualname__.startswith(f"{kind.__qualname__}.")
    )
    return list(dict.fromkeys((kind.__module__, *(space for space in spaces if type(space) is str))))


def in_collection(name: str) -> bool:
    """Tell whether a container is where a collection keeps its entries."""
    owner = owner_of(name)
    return owner is not None and is_collection(owner)
