"""How the object of an owned attribute ends: what its methods close, and what only seems to be left open."""

from __future__ import annotations

from dataclasses import dataclass

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Function, Op
from leakaudit.facts.owning.closings import Closings
from leakaudit.facts.owning.ownership import Resource, closes, is_teardown
from leakaudit.facts.project import Project
from leakaudit.facts.reading.closers import is_closer

#: Bases that have nothing to close.
_CLOSE_NOTHING = frozenset("object abc.ABC typing.Generic typing.Protocol ABC Generic Protocol".split())


@dataclass(frozen=True, slots=True)
class Owned:
    """An attribute that a class fills itself with a resource."""

    cls: Place
    attribute: str
    path: str
    func: int
    line: int
    resource: Resource
    passed: bool  # it may be the caller's own
    named: bool = False  # told by its class, and not by a table


def closes_others(
    project: Project, owned: Owned, ends: dict[str, tuple[str, int]], finalized: bool
) -> Function | None:
    """The method that ends the object, provided that it really ends something: for a guess, something of its own."""
    for path, index in ends.values():
        function = project.function(path, index)
        assert function is not None
        if (function.name != "__del__" or not finalized) and any(
            _is_ending(call) and (not owned.named or (call.startswith("i:") and call.count(".") > 1))
            for call in function.calls
        ):
            return function
    return None


def only_finalized(project: Project, closings: Closings, owned: Owned) -> bool:
    """Whether `__del__` is all that closes it, itself or through a method that nobody else calls."""
    if owned.resource.harm < 2 or closings.is_closed_elsewhere(owned.cls, owned.attribute, owned.resource):
        return False
    places = (*project.mro(owned.cls), *project.subclasses.get(owned.cls, ()))
    methods = [(p.name, f) for p in places for f in project.files[p.path].functions if f.cls == p.name]
    closers = {
        function.name
        for cls, function in methods
        for call in function.calls
        if call.startswith(f"i:{cls}.{owned.attribute}.") and closes(call.rpartition(".")[2], owned.resource)
    }
    callers = {
        closer: {f.name for cls, f in methods if f"i:{cls}.{closer}" in (*f.calls, *f.refs)}
        for closer in closers
    }
    private = {c for c in closers if c[:1] == "_" and not is_teardown(c) and callers[c] == {"__del__"}}
    return bool(closers) and closers <= private | {"__del__"}


def is_dropped(project: Project, owned: Owned) -> bool:
    """Whether a method that ends something lets go of a file, which the collector then closes at once."""
    if owned.resource.harm > 1 or owned.named:
        return False
    facts = project.files[owned.path]
    return any(
        event.op == Op.REBIND
        and event.value == "None"
        and event.owner == f"i:{owned.cls.name}.{owned.attribute}"
        and is_closer(facts.functions[event.func].name)
        for event in facts.events
        if event.func >= 0
    )


def _is_ending(call: str) -> bool:
    name = call.replace(":", ".").rpartition(".")[2]
    return (
        is_teardown(name)
        or name in ("cancel", "join", "set", "terminate", "kill", "wait")
        or name.startswith(("_close", "_stop", "cleanup_"))
    )


def inherits_close(project: Project, owned: Owned, ends: dict[str, tuple[str, int]]) -> bool:
    """Whether a base outside the project may close it: the class has one, and leaves closing to it."""
    outside = any(
        project.class_named(base, place.path) is None and base not in _CLOSE_NOTHING
        for place in project.mro(owned.cls)
        for base in getattr(project.class_at(place), "bases", ())
    )
    return outside and any(
        f"?:{function.name}" in function.calls
        for path, index in ends.values()
        if (function := project.function(path, index)) is not None
    )


def closes_any(project: Project, owned: Owned, ends: dict[str, tuple[str, int]]) -> bool:
    """Whether a teardown closes the variable of a loop, which may be it: over what `getattr` gives, or over some attributes."""
    names = {f"i:{place.name}.{owned.attribute}" for place in project.mro(owned.cls)}
    for path, index in ends.values():
        function = project.function(path, index)
        assert function is not None
        closed = any(
            call == "x:os.close" or (call.startswith(("?:", "l:")) and is_teardown(call.rpartition(".")[2]))
            for call in function.calls
        )
        if closed and (names & {*function.refs} or {"b:getattr", "b:vars"} & {*function.calls}):
            return True
    return False
