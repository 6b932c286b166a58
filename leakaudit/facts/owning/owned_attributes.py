"""Attributes that hold a resource of their object: is it closed when the object is?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Flag
from leakaudit.facts.owning.closeables import Closeables
from leakaudit.facts.owning.closings import Closings
from leakaudit.facts.owning.owned_ends import (
    Owned,
    closes_any,
    closes_others,
    inherits_close,
    is_dropped,
    only_finalized,
)
from leakaudit.facts.owning.ownership import (
    CHILD,
    Unclosed,
    argument_of,
    closes,
    returned_by,
    stored_as,
    teardowns,
)
from leakaudit.facts.project import Project
from leakaudit.facts.resources import BORROWERS, ELEMENT, PAIRS
from leakaudit.findings import Evidence, Location, Related

_LIFETIME = {"process": -3, "long": -1, "likely-long": -1, "keyed": 1}
#: Lifetimes of objects of which there are many in the life of a process.
_PASSING = ("short", "likely-short", "scoped", "keyed")
_WORST = 3
_BORROWERS = BORROWERS | {"run_in_executor", "wrap_future", "partial", "cast"}


def unclosed(project: Project) -> Iterator[Unclosed]:
    """Yield the owned attributes that their class, though it can be closed, leaves open."""
    closings = Closings(project)
    seen: set[tuple[Place, str]] = set()
    for owned in (*_stored(project), *_defaults(project)):  # what is known comes before what is guessed
        key = (owned.cls, owned.attribute)
        if key not in seen:
            seen.add(key)
            found = _judge(project, closings, owned)
            if found is not None:
                yield found


def _stored(project: Project) -> Iterator[Owned]:
    closeables = Closeables(project)
    for path, facts in project.files.items():
        unpacked = Counter((line, func) for _, _, line, func in facts.stored)
        for owner, origins, line, func in facts.stored:
            if unpacked[line, func] > 1 and origins.partition("|")[0].removeprefix("call:") not in PAIRS:
                continue  # `self.a, self.b = make()`: nothing tells which of them is the resource
            if not owner.startswith("i:") or "[]" in owner or not ("call:" in origins or "new:" in origins):
                continue
            if "local:" in origins and any(f":{maker}|" in f"{origins}|" for maker in ELEMENT):
                continue  # `fig, ax = subplots(); self.ax = ax`: it may be the other one
            name, _, attribute = owner[2:].rpartition(".")
            cls = project.class_named(name, path)
            if cls is None:
                continue
            known = stored_as(project, path, func, origins)
            made = known or stored_as(project, path, func, origins, closeables.made)
            if made is not None and made[0].kind == "event loop" and _falls_back(project, path, line, func):
                continue
            if made is not None and made[0].kind != CHILD:
                yield Owned(cls, attribute, path, func, line, *made, named=known is None)


def _falls_back(project: Project, path: str, line: int, func: int) -> bool:
    """Whether it is made only where there was none to take: `except RuntimeError: loop = new_event_loop()`."""
    return any(
        path == at and call.line == line and call.func == func and call.flags & Flag.EXCEPT
        for at, call in project.calls("new_event_loop")
    )


def _defaults(project: Project) -> Iterator[Owned]:
    """traitlets: `def _context_default(self): return zmq.Context()` fills `context` when it is first asked for."""
    for path, facts in project.files.items():
        for index, function in enumerate(facts.functions):
            if not (function.cls and function.returns and function.qualname.endswith("_default")):
                continue
            name = function.name
            if name.startswith("_"):
                resource = returned_by(project, path, index, function)
                if resource is not None:
                    yield Owned(
                        Place(path, function.cls), name[1:-8], path, index, function.line, resource, False
                    )


def _judge(project: Project, closings: Closings, owned: Owned) -> Unclosed | None:
    ends = teardowns(project, owned.cls)
    if not ends:
        return _half_closed(project, closings, owned) or _never_closed(project, closings, owned)
    finalized = only_finalized(project, closings, owned)
    if not finalized and closings.is_closed(owned.cls, owned.attribute, owned.resource):
        return None
    if closes_any(project, owned, ends) or is_dropped(project, owned):
        return None
    handed = _handed(project, owned)
    if handed is None or _returned(project, owned):
        return None
    busy = closes_others(project, owned, ends, finalized)
    if busy is None or inherits_close(project, owned, ends):
        return None
    name = owned.attribute
    why = f"`{busy.name}` ends other things of its object, but never closes `{name}`"
    if finalized:
        why += "; only the collector does, through `__del__`"
    evidence = [
        Evidence(
            "cleanup",
            "finalizer" if finalized else "sibling",
            why,
            3,
            Location(ends[busy.name][0], busy.line),
        ),
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


def _facts(project: Project, owned: Owned) -> Iterator[Evidence]:
    lifetime = project.lifetimes.of_class(owned.cls)
    yield Evidence(
        "resource",
        owned.resource.kind,
        f"`{owned.attribute}` holds a {owned.resource.kind}",
        owned.resource.harm - 1,
    )
    yield Evidence("lifetime", lifetime.value, lifetime.reason, _LIFETIME.get(lifetime.value, 0))
    if owned.passed:
        yield Evidence("owner", "shared", f"`{owned.attribute}` may be the caller's own", -1)


def _handed(project: Project, owned: Owned) -> str | None:
    """Return "" when it is given to nobody, a callee that does not seem to end it, or None when somebody may."""
    found = ""
    for _, call in _calls_with(project, owned):
        name = call.callee.replace(":", ".").rpartition(".")[2]
        if name in _BORROWERS:
            continue
        if closes(name, owned.resource) or name[:1].isupper():
            return None
        if owned.resource.kind != "event loop":
            return None
        found = name
    return found


def _calls_with(project: Project, owned: Owned) -> Iterator[tuple[str, Call]]:
    for place in (*project.mro(owned.cls), *project.subclasses.get(owned.cls, ())):
        facts = project.files[place.path]
        for call in facts.calls:
            function = project.function(place.path, call.func)
            while function is not None and not function.cls:
                function = project.function(place.path, function.parent)
            if function is not None and function.cls == place.name and argument_of(call, owned.attribute):
                yield place.path, call


def _returned(project: Project, owned: Owned) -> bool:
    """Whether a method other than the one that makes it hands it out."""
    wanted = f"attr:self.{owned.attribute}"
    for place in project.mro(owned.cls):
        for index, function in enumerate(project.files[place.path].functions):
            other = function.cls == place.name and (place.path, index) != (owned.path, owned.func)
            if other and function.returns[:1] in ((wanted,), (f"bound:i:{place.name}.{owned.attribute}",)):
                return True
    return False


def _never_closed(project: Project, closings: Closings, owned: Owned) -> Unclosed | None:
    """A class that cannot be closed at all, and leaves threads or sessions behind with every instance."""
    if (
        closings.is_closed(owned.cls, owned.attribute, owned.resource)
        or _handed(project, owned) is None
        or _returned(project, owned)
    ):
        return None
    cls = project.class_at(owned.cls)
    if cls is None or owned.resource.harm < _WORST:
        return None
    maker = project.function(owned.path, owned.func)
    if any("Singleton" in base for base in project.base_names(owned.cls)) or (
        maker is None or "x:weakref.finalize" in maker.calls  # no maker: the default of a field of settings
    ):
        return None
    name = owned.cls.name
    reason = f"`{name}` has no method that closes `{owned.attribute}`, and nothing else does"
    comes_and_goes = project.lifetimes.of_class(owned.cls).value in _PASSING
    evidence = [
        Evidence("cleanup", "none", reason, 2 if comes_and_goes else 1, Location(owned.cls.path, cls.line)),
        *_facts(project, owned),
    ]
    at = Location(owned.cls.path, cls.line, cls.column)
    return _unclosed(project, owned, "is never closed", evidence, at, f"`{name}` cannot be closed")


def _half_closed(project: Project, closings: Closings, owned: Owned) -> Unclosed | None:
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
    if function is None or closings.is_closed_elsewhere(owned.cls, owned.attribute, owned.resource):
        return None
    why = f"only `{function.name}` closes it, under `{call.guards[-1] if call.guards else 'a condition'}`; there is no `close` for whoever stops before"
    weight = 2 if owned.named else 3
    evidence = [Evidence("cleanup", "half", why, weight, Location(path, call.line)), *_facts(project, owned)]
    return _unclosed(
        project,
        owned,
        "is closed only when its work comes to the end",
        evidence,
        Location(path, call.line, call.column),
        "closed only here",
    )


def _unclosed(
    project: Project, owned: Owned, why: str, evidence: list[Evidence], at: Location, what: str
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
