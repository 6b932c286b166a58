"""Attributes that hold a resource of their object: is it closed when the object is?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from leakaudit.facts.linked import Place
from leakaudit.facts.model import Call, Flag, Function
from leakaudit.facts.ownership import (
    Resource,
    Unclosed,
    argument_of,
    closes,
    is_teardown,
    returned_by,
    stored_as,
    teardowns,
)
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Related

_LIFETIME = {"process": -3, "long": 0, "likely-long": 0, "keyed": 1, "short": 1, "likely-short": 1}


@dataclass(frozen=True, slots=True)
class _Owned:
    """An attribute that a class fills itself with a resource."""

    cls: Place
    attribute: str
    path: str
    func: int
    line: int
    resource: Resource
    passed: bool  # it may be the caller's own


def unclosed(project: Project) -> Iterator[Unclosed]:
    """Yield the owned attributes that their class, though it can be closed, leaves open."""
    endings = _Endings(project)
    seen: set[tuple[Place, str]] = set()
    for owned in (*_stored(project), *_defaults(project)):
        key = (owned.cls, owned.attribute)
        if key not in seen:
            seen.add(key)
            found = _judge(project, endings, owned)
            if found is not None:
                yield found


def _stored(project: Project) -> Iterator[_Owned]:
    for path, facts in project.files.items():
        for owner, origins, line, func in facts.stored:
            if not owner.startswith("i:") or "[]" in owner or not ("call:" in origins or "new:" in origins):
                continue
            name, _, attribute = owner[2:].rpartition(".")
            cls = project.class_named(name, path)
            made = stored_as(project, path, func, origins) if cls is not None else None
            if cls is not None and made is not None:
                yield _Owned(cls, attribute, path, func, line, *made)


def _defaults(project: Project) -> Iterator[_Owned]:
    """traitlets: `def _context_default(self): return zmq.Context()` fills `context` when it is first asked for."""
    for path, facts in project.files.items():
        for index, function in enumerate(facts.functions):
            name = function.name
            if function.cls and name.startswith("_") and name.endswith("_default") and function.returns:
                resource = returned_by(project, path, index, function)
                if resource is not None:
                    yield _Owned(
                        Place(path, function.cls), name[1:-8], path, index, function.line, resource, False
                    )


class _Endings:
    """Index over the project: which attributes, by name, anything closes or hands to something that closes."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def _ended(self) -> tuple[dict[tuple[Place, str], set[str]], dict[str, set[str]]]:
        """Methods called on attributes or passed along: by (class, attribute) where the class is known, else by attribute."""
        own: dict[tuple[Place, str], set[str]] = {}
        loose: dict[str, set[str]] = {}
        for path, facts in self._project.files.items():
            for function in facts.functions:
                for name in (*function.calls, *function.refs):
                    owner, _, method = name.rpartition(".")
                    cls, _, attribute = owner.partition(":")[2].rpartition(".")
                    if owner.startswith(("i:", "c:")) and self._is_class(path, cls):
                        own.setdefault((Place(path, cls), attribute), set()).add(method)
                    elif attribute:
                        loose.setdefault(attribute, set()).add(method)
        return own, loose

    def _is_class(self, path: str, cls: str) -> bool:
        return bool(cls) and self._project.class_at(Place(path, cls)) is not None

    def is_closed(self, owned: _Owned) -> bool:
        """Whether any code of the project calls one of its closers."""
        own, loose = self._ended
        project = self._project
        related = (*project.mro(owned.cls), *project.subclasses.get(owned.cls, ()))
        methods = loose.get(owned.attribute, set()).union(
            *(own.get((place, owned.attribute), ()) for place in related)
        )
        return any(closes(method, owned.resource) for method in methods)


def _judge(project: Project, endings: _Endings, owned: _Owned) -> Unclosed | None:
    ends = teardowns(project, owned.cls)
    if not ends:
        return _half_closed(project, owned)
    if endings.is_closed(owned) or _generic_close(project, ends):
        return None
    handed = _handed(project, owned)
    if handed is None or _returned(project, owned):
        return None
    busy = _closes_others(project, ends)
    if busy is None:
        return None
    name = owned.attribute
    why = f"`{busy.name}` ends other things of its object, but never closes `{name}`"
    evidence = [
        Evidence("cleanup", "sibling", why, 3, Location(ends[busy.name][0], busy.line)),
        *_facts(project, owned),
    ]
    if handed:
        evidence.append(
            Evidence("handed", "unknown", f"`{handed}` is given it, and is not seen to close it", -1)
        )
    return _unclosed(
        project,
        owned,
        "is not closed when its object is",
        evidence,
        Location(ends[busy.name][0], busy.line, busy.column),
        f"`{busy.name}` leaves it open",
    )


def _facts(project: Project, owned: _Owned) -> Iterator[Evidence]:
    lifetime = project.lifetimes.of_class(owned.cls)
    yield Evidence(
        "resource",
        owned.resource.kind,
        f"`{owned.attribute}` holds a {owned.resource.kind}",
        owned.resource.harm - 1,
    )
    yield Evidence("lifetime", lifetime.value, lifetime.reason, _LIFETIME.get(lifetime.value, 0))
    if owned.passed:
        yield Evidence("owner", "shared", f"`{owned.attribute}` may be the caller's own", -2)


def _closes_others(project: Project, ends: dict[str, tuple[str, int]]) -> Function | None:
    """The method that ends the object, provided that it really ends something."""
    for path, index in ends.values():
        function = project.function(path, index)
        assert function is not None
        if any(_is_ending(call) for call in function.calls):
            return function
    return None


def _is_ending(call: str) -> bool:
    name = call.replace(":", ".").rpartition(".")[2]
    return (
        is_teardown(name)
        or name in ("cancel", "join", "set", "terminate", "kill", "wait")
        or name.startswith(("_close", "_stop", "cleanup_"))
    )


def _generic_close(project: Project, ends: dict[str, tuple[str, int]]) -> bool:
    """Whether a teardown closes something that cannot be told by name: the variable of a loop, `getattr(self, name)`."""
    for path, index in ends.values():
        function = project.function(path, index)
        assert function is not None
        locals_closed = [
            c for c in function.calls if c.startswith(("?:", "l:")) and is_teardown(c.rpartition(".")[2])
        ]
        if locals_closed and any(c in ("b:getattr", "b:vars") for c in function.calls):
            return True
    return False


def _handed(project: Project, owned: _Owned) -> str | None:
    """Return "" when it is given to nobody, a callee that does not seem to end it, or None when somebody may."""
    found = ""
    for _, call in _calls_with(project, owned):
        name = call.callee.replace(":", ".").rpartition(".")[2]
        if closes(name, owned.resource) or name[:1].isupper():
            return None
        if owned.resource.kind != "event loop":
            return None
        found = name
    return found


def _calls_with(project: Project, owned: _Owned) -> Iterator[tuple[str, Call]]:
    for place in (*project.mro(owned.cls), *project.subclasses.get(owned.cls, ())):
        facts = project.files[place.path]
        for call in facts.calls:
            function = project.function(place.path, call.func)
            while function is not None and not function.cls:
                function = project.function(place.path, function.parent)
            if function is not None and function.cls == place.name and argument_of(call, owned.attribute):
                yield place.path, call


def _returned(project: Project, owned: _Owned) -> bool:
    """Whether a method other than the one that makes it hands it out."""
    wanted = f"attr:self.{owned.attribute}"
    for place in project.mro(owned.cls):
        for index, function in enumerate(project.files[place.path].functions):
            other = function.cls == place.name and (place.path, index) != (owned.path, owned.func)
            if other and function.returns[:1] in ((wanted,), (f"bound:i:{place.name}.{owned.attribute}",)):
                return True
    return False


def _half_closed(project: Project, owned: _Owned) -> Unclosed | None:
    """A class that cannot be closed, and closes what it holds only when its work comes to the end."""
    closing = [
        (path, call)
        for path, call in project.calls("close", "aclose")
        if path == owned.path
        and call.callee == f"i:{owned.cls.name}.{owned.attribute}.{call.callee.rpartition('.')[2]}"
    ]
    if not closing or not all(
        call.flags & Flag.COND and not call.flags & (Flag.FINALLY | Flag.EXCEPT) for _, call in closing
    ):
        return None
    path, call = closing[0]
    function = project.function(path, call.func)
    if function is None or _used_outside(project, owned):
        return None
    why = f"only `{function.name}` closes it, under `{call.guards[-1] if call.guards else 'a condition'}`; there is no `close` for whoever stops before"
    evidence = [Evidence("cleanup", "half", why, 3, Location(path, call.line)), *_facts(project, owned)]
    return _unclosed(
        project,
        owned,
        "is closed only when its work comes to the end",
        evidence,
        Location(path, call.line, call.column),
        "closed only here",
    )


def _used_outside(project: Project, owned: _Owned) -> bool:
    """Whether another class or module closes it by name."""
    suffix = f".{owned.attribute}.close"
    return any(
        name.endswith(suffix) and not name.startswith("i:")
        for facts in project.files.values()
        for function in facts.functions
        for name in function.calls
    )


def _unclosed(
    project: Project, owned: _Owned, why: str, evidence: list[Evidence], at: Location, what: str
) -> Unclosed:
    symbol = f"{project.module_name(owned.cls.path)}.{owned.cls.name}.{owned.attribute}"
    return Unclosed(
        owned.path,
        Location(owned.path, owned.line),
        symbol,
        owned.attribute,
        owned.resource,
        why,
        tuple(evidence),
        (Related(at, what),),
        "attribute",
    )
