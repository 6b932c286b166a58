"""What the methods that end an object's life let go of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Event, Function, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

ENDS = re.compile(
    r"^_*(a?close|a?disconnect|shutdown|stop|connection_?lost|a?exit|unload|destroy|delete|dispose|teardown|tear_down|cleanup|finish|terminate|"
    r"cancel|release|detach|on_disconnect|(_?on_)?(connection_)?closed?|stop_\w+|close_\w+)_*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Parted:
    """What a method that ends an instance lets go of."""

    method: str
    attribute: str
    line: int


def ends(name: str) -> bool:
    """Tell whether a method is named like the end of the whole object: `close`, not `close_streams`."""
    return ENDS.match(name) is not None and not name.lstrip("_").startswith(("close_", "stop_"))


class Endings:
    """Answers for the classes of one project; keeps what it looked up."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._parted: dict[Place, tuple[Parted, ...]] = {}

    def is_cleared(self, place: Place, attribute: str) -> bool:
        """Tell whether a method other than the constructor sets the attribute to None, deletes or empties it."""
        return any(attribute in self._cleared.get(base, ()) for base in self._project.mro(place))

    def of(self, place: Place) -> list[str]:
        """Return the names of the methods that end the life of an instance."""
        classes = (self._project.class_at(base) for base in self._project.mro(place))
        return [name for cls in classes if cls is not None for name in cls.methods if ENDS.match(name)]

    def parted(self, place: Place) -> tuple[Parted, ...]:
        """Return the attributes that the methods which end the instance set to None, themselves or through one they call."""
        if place not in self._parted:
            self._parted[place] = tuple(self._find_parted(place))
        return self._parted[place]

    def left(self, place: Place, attribute: str) -> Parted | None:
        """Return what the endings of the instance let go of where they do not let go of this."""
        parted = self.parted(place)
        classes = (self._project.class_at(base) for base in self._project.mro(place))
        if any("reconnect" in name for cls in classes if cls is not None for name in cls.methods):
            return None  # it outlives its connections
        return None if any(p.attribute == attribute for p in parted) else next(iter(parted), None)

    def _find_parted(self, place: Place) -> Iterator[Parted]:
        todo = [(name, name) for name in self.of(place) if ends(name)]
        seen = {name for name, _ in todo}
        for name, ending in todo:  # grows while it is walked
            at = self._project.method(place, name)
            function = self._project.function(*at) if at is not None else None
            if at is None or function is None:
                continue
            for event in self._letting_go.get(at, ()):
                yield Parted(ending, event.owner.rpartition(".")[2], event.line)
            for called in (n.rpartition(".")[2] for n in function.calls if n.startswith("i:")):
                if called not in seen:
                    seen.add(called)
                    todo.append((called, ending))

    @cached_property
    def _letting_go(self) -> dict[tuple[str, int], list[Event]]:
        found: dict[tuple[str, int], list[Event]] = {}
        for path, facts in self._project.files.items():
            for event in facts.events:
                own = event.owner.startswith("i:") and event.func >= 0
                if own and _lets_go(event.op, event.value, event.method):
                    found.setdefault((path, event.func), []).append(event)
        return found

    @cached_property
    def _cleared(self) -> dict[Place, set[str]]:
        found: dict[Place, set[str]] = {}
        for path, facts in self._project.files.items():
            for event in facts.events:
                if (
                    event.owner.startswith("i:")
                    and event.func >= 0
                    and _lets_go(event.op, event.value, event.method)
                ):
                    cls, _, attribute = event.owner[2:].rpartition(".")
                    if facts.functions[event.func].name != "__init__":
                        found.setdefault(Place(path, cls), set()).add(attribute)
        return found


def methods_of(project: Project, place: Place) -> dict[str, tuple[str, Function]]:
    """Return the methods of a class and its bases by name, each with its file; the nearest one counts."""
    found: dict[str, tuple[str, Function]] = {}
    for base in project.mro(place):
        for function in project.files[base.path].functions:
            if function.cls == base.name:
                found.setdefault(function.name, (base.path, function))
    return found


def reaches(methods: dict[str, tuple[str, Function]], start: str, wanted: set[str]) -> bool:
    """Tell whether a method is one of `wanted`, or calls one, itself or through others of the instance."""
    found, todo = {start}, [start]
    while todo:
        for name in methods[todo.pop()][1].calls:
            called = name.rpartition(".")[2]
            if name.startswith("i:") and called in methods and called not in found:
                found.add(called)
                todo.append(called)
    return bool(found & wanted)


def _lets_go(op: int, value: str, method: str) -> bool:
    return op == Op.CLEAR or (op == Op.REBIND and (value == "None" or method == "del"))
