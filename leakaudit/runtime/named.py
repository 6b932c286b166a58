"""The containers that have a name, over time: which of them grow, and what the source calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leakaudit.runtime.declared import Place, Sources
from leakaudit.runtime.growth import Course, assess

CENSUS_SHARE = 0.1  # of one processor: what copies may take for looking at names
COPIES = 4  # between the two ends
LEAST_POINTS = 4

Rows = Mapping[str, list[Any]]


class Named:
    """What copies of the target saw of its named containers, in order of time."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, Rows]] = []
        self._cost_s = 0.0

    def add(self, result: Mapping[str, Any]) -> None:
        """Keep what one copy saw."""
        if "names" in result:
            self._seen.append((result["t"], result["names"]))
            self._cost_s = max(self._cost_s, result["names_s"])

    def affordable(self, duration_s: float) -> bool:
        """Tell whether copies may look again and again while the target is watched."""
        return bool(self._seen) and COPIES * self._cost_s <= CENSUS_SHARE * duration_s

    def points(self, name: str) -> list[tuple[float, int]]:
        """Return (seconds, entries) of one name."""
        return [(t, rows[name][0] if name in rows else 0) for t, rows in self._seen]

    def rising(self) -> list[str] | None:
        """Return the names that may be growing; None where too little was seen to say so."""
        if len(self._seen) < LEAST_POINTS - 1:
            return None
        first, last = self._seen[0][1], self._seen[-1][1]
        gained = [name for name, row in last.items() if row[0] > first.get(name, (0,))[0]]
        return [name for name in gained if self._may_grow(name, last[name][3])]

    def _may_grow(self, name: str, limit: int | None) -> bool:
        return assess(self.points(name), limit).course in (Course.GROWS, Course.UNCLEAR)

    def declare(self, result: dict[str, Any], sources: Sources) -> None:
        """Add to each named growth of a census its course, symbol and place of declaration."""
        for item in result.get("named", ()):
            item["points"] = self.points(item["names"][0])
            item.update(identify(item, sources))


def identify(item: Mapping[str, Any], sources: Sources) -> dict[str, Any]:
    """Return `symbol`, `file`, `line`, `module`, `within` and `filler` of a container that goes by several names.

    A container inside a collection, or inside an object of the standard library, is called by the name of the thing
    that the program's own or an installed module keeps it in; `within` then is its own name. Of a container of the
    standard library that nothing else keeps, `filler` tells whose entries are in it.
    """
    module, symbol, place = min(
        (_called(name, item, sources) for name in item["names"]), key=_preference(sources)
    )
    outer = _outer(item, sources) if item.get("collection") or sources.is_standard(module) else None
    if outer is not None and outer[1] != symbol:
        within, (module, symbol, place) = symbol, outer
    else:
        within = ""
    file, line = (str(place[0]), place[1]) if place else (None, None)
    filler = _filler(item, sources) if sources.is_standard(module) else ""
    return {
        "symbol": symbol,
        "module": module,
        "file": file,
        "line": line,
        "within": within,
        "filler": filler,
    }


def _filler(item: Mapping[str, Any], sources: Sources) -> str:
    """Return the function or class outside the standard library that the newest entry leads to."""
    found = (
        f"{module}.{name}" for module, name in item.get("filled_by", ()) if not sources.is_standard(module)
    )
    return next(found, "")


def _called(name: str, item: Mapping[str, Any], sources: Sources) -> tuple[str, str, Place | None]:
    module, owner, attribute = name.split(":", 2)
    plain = attribute.partition("[")[0].partition(".")[0]
    bases = [tuple(base.split(":", 1)) for base in item.get("bases", ())] or [(module, owner)]
    for base_module, base_owner in bases:
        place = sources.declaration(base_module, base_owner, plain)
        if place is not None:
            return base_module, _symbol(base_module, base_owner, attribute), place
    return module, _symbol(module, owner, attribute), None


def _symbol(module: str, owner: str, name: str) -> str:
    return ".".join(filter(None, (module, owner, name)))


def _preference(sources: Sources) -> Any:
    def key(called: tuple[str, str, Place | None]) -> tuple[bool, bool, int]:
        module, symbol, place = called
        return place is None, sources.is_standard(module), symbol.count("[...]")

    return key


def _outer(item: Mapping[str, Any], sources: Sources) -> tuple[str, str, Place | None] | None:
    """Return the innermost name on the retaining path that a module outside the standard library declares."""
    for step in reversed(item.get("path", ())):
        if step["name"] and step["module"] and not sources.is_standard(step["module"]):
            place = sources.declaration(step["module"], step["owner"], step["name"])
            if place is not None:
                return step["module"], _symbol(step["module"], step["owner"], step["name"]), place
    return None
