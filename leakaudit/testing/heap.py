"""The heap of this process, as counts by name, and what is to be told of the names that grow."""

from __future__ import annotations

import gc
import sys
import sysconfig
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import objgraph

from leakaudit.runtime import agent
from leakaudit.runtime.census_child import retained
from leakaudit.runtime.census_child.clock import Clock
from leakaudit.runtime.census_child.library import library
from leakaudit.runtime.census_child.named_growth import Explained, described
from leakaudit.runtime.census_child.paths import Paths
from leakaudit.runtime.census_child.survey import survey
from leakaudit.runtime.declared import Sources
from leakaudit.runtime.named import identify
from leakaudit.testing.rounds import growing

MOST_REACHED = 2_000_000  # objects that are sized
PATIENCE_S = 60.0  # of processor time for sizes and retaining paths
TOLD = 5
HEAP_TYPE = 1 << 9


@dataclass(frozen=True, slots=True)
class Grown:
    """Something that gains with every run of the body.

    `symbol` is a container's name as a rule's finding would give it, or the type where what grows has no name; `gain`
    and `bytes` (None if unknown) are those of all rounds together; `entries` is (first, last).
    """

    symbol: str
    noun: str  # "entries" | "objects"
    entries: tuple[int, int]
    bytes: int | None
    path: str | None
    line: int | None
    retaining_path: tuple[str, ...]
    holds: tuple[tuple[str, int], ...] = ()

    @property
    def gain(self) -> int:
        """What all rounds together added."""
        return self.entries[1] - self.entries[0]


class Heap:
    """Counts again and again, and tells what grew; names that begin with one of `ignored` count for nothing."""

    def __init__(self, ignored: Collection[str] = ()) -> None:
        self._ignored = tuple(ignored)
        self._rows: list[dict[str, tuple[int, int, int, int | None]]] = []
        self._lengths: list[dict[int, int]] = []
        self._types: list[dict[str, int]] = []
        _lend_the_agents_functions()

    def count(self) -> None:
        """Collect what is garbage, and add one count of everything."""
        gc.collect()
        gc.collect()
        objects = gc.get_objects()
        rows = survey(objects).rows
        self._rows.append({name: tuple(row) for name, row in rows.items()})
        self._types.append(_types(objects))
        self._lengths.append(_lengths(objects))

    def grown(self, repeat: int) -> list[Grown]:
        """Return what gained with every run of the body, the containers that have a name first."""
        names = growing([{name: row[0] for name, row in rows.items()} for rows in self._rows], repeat)
        retained.BORROWED.clear()
        paths = Paths(objgraph, Clock(PATIENCE_S))
        again = survey(gc.get_objects(), wanted=list(names))
        before = {name: list(row) for name, row in self._rows[0].items()}
        items = described(again, before, Explained(frozenset(), {}), MOST_REACHED, paths)
        del again
        explained: Counter[str] = Counter()
        known: set[int] = set()
        for item in items:
            explained.update(item["types"])
            known |= item["inside"] | item["seeds"]
        sources = _sources()
        told = [
            _named(item, sources)
            for item in items
            if "path" in item and item["limit"] is None and not any(map(self._is_ignored, item["names"]))
        ]
        told = [item for item in told if not self._is_ignored(item.symbol)]
        told += self._nameless(known, repeat, paths, sources)
        told += self._chained(explained, repeat, paths, sources) if not told else ()
        return told[:TOLD]

    def _is_ignored(self, name: str) -> bool:
        name = ".".join(filter(None, name.split(":")))
        return any(name == start or name.startswith((f"{start}.", f"{start}[")) for start in self._ignored)

    def _nameless(self, known: set[int], repeat: int, paths: Paths, sources: Sources) -> Iterator[Grown]:
        """Yield the growing containers that no name leads to."""
        gains = growing(self._lengths, repeat)
        for obj in gc.get_objects() if gains else ():
            if id(obj) in gains and id(obj) not in known and library["container"](type(obj)):
                steps = paths.to(obj)
                if _has_root(steps) and not any(
                    self._is_ignored(f"{step['module']}.{step['name']}") for step in steps
                ):
                    length = library["measure"](obj)[0]
                    entries = (length - gains[id(obj)], length)
                    yield _by_path(type(obj).__qualname__, "entries", entries, steps, sources)

    def _chained(
        self, explained: Counter[str], repeat: int, paths: Paths, sources: Sources
    ) -> Iterator[Grown]:
        """Yield the types of the program whose instances become more, though no container does: a chain."""
        gains = growing(self._types, repeat)
        for name, gain in gains.items():
            if gain > explained[name] and not self._is_ignored(name):
                example = next((obj for obj in gc.get_objects() if _name_of(type(obj)) == name), None)
                last = self._types[-1][name]
                yield _by_path(name, "objects", (last - gain, last), paths.to(example), sources)


def _lend_the_agents_functions() -> None:
    library.update(vars(agent))
    agent.learn_types()


def _lengths(objects: Sequence[Any]) -> dict[int, int]:
    """Return address -> length of the containers among some objects, instances' and modules' names left out."""
    found = {}
    for obj in objects:
        base = library["CONTAINERS"].get(id(type(obj)))
        if base is not None and base is not tuple:
            found[id(obj)] = base.__len__(obj)
    return found


def _types(objects: Sequence[Any]) -> dict[str, int]:
    kinds = Counter(map(type, objects))
    return {_name_of(kind): count for kind, count in kinds.items() if kind.__flags__ & HEAP_TYPE}


def _name_of(kind: Any) -> str:
    return retained.long_name(kind)


def _has_root(steps: Sequence[Mapping[str, str]]) -> bool:
    """Tell whether a path begins at a module or a coroutine: what only running code holds goes when that ends."""
    return bool(steps) and bool(steps[0]["module"] or steps[0]["owner"])


def _sources() -> Sources:
    files = {
        name: Path(file)
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and isinstance(file := getattr(module, "__file__", None), str)
    }
    return Sources(files, (Path(sysconfig.get_path("stdlib")),))


def _named(item: Mapping[str, Any], sources: Sources) -> Grown:
    called = identify(item, sources)
    gain = item["count"][1] - item["count"][0]
    many = [pair for pair in item["types"].items() if pair[1] * 4 >= gain]
    holds = sorted(many, key=lambda pair: -pair[1])[:3]
    return Grown(
        symbol=called["symbol"],
        noun="entries",
        entries=(item["count"][0], item["count"][1]),
        bytes=item["bytes"],
        path=called["file"],
        line=called["line"],
        retaining_path=tuple(step["text"] for step in item["path"]),
        holds=tuple((name.removeprefix("builtins."), count) for name, count in holds),
    )


def _by_path(
    name: str, noun: str, entries: tuple[int, int], steps: Sequence[Mapping[str, str]], sources: Sources
) -> Grown:
    place = None
    for step in reversed(steps):
        if step["name"] and step["module"]:
            place = sources.declaration(step["module"], step["owner"], step["name"])
            if place is not None:
                break
    return Grown(
        symbol=name,
        noun=noun,
        entries=entries,
        bytes=None,
        path=str(place[0]) if place else None,
        line=place[1] if place else None,
        retaining_path=tuple(step["text"] for step in steps),
    )
