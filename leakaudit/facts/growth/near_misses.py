"""What tells that entries were meant to go, though nothing takes them out: who ends what they stand for, what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.growth.cleanup import CLEAR_ONLY, INNER, NONE, Cleanup
from leakaudit.facts.holders.instances import CONSTRUCTORS
from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.model import Function, Op
from leakaudit.findings import Evidence, Location

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_ENDS = (
    "remove delete del drop discard forget unregister deregister disconnect detach evict release close kill destroy "
    "terminate finish unload logout"
).split()
_ENDED = "left gone lost closed disconnected removed deleted finished ended done destroyed".split()
_HANDLE = frozenset("id ids key name uuid uid sid hash".split())
_CLOSES = frozenset("close aclose shutdown disconnect terminate dispose".split())
_STOPS = _CLOSES | {"stop", "unregister"}
_ONE_SHOT = re.compile(r"^(new|call):([\w.]*\.)?(Future|Deferred|Promise|create_future)$")
#: `weakref.ref(x)` without a callback that could take it out.
_WEAK = re.compile(r"(^|\W)((weakref\.)?(ref|WeakMethod)|weakref\.proxy)\([\w.]+\)")
_REMOVES = (Op.SHRINK, Op.CLEAR, Op.TRIM, Op.REBIND)


def near_misses(
    project: Project, subject: Subject, site: Seen, key: Answer, cleanup: Cleanup
) -> Iterator[Evidence]:
    """Yield at most one piece of evidence that each entry has an end, at which it should be taken out."""
    if cleanup.grade not in (NONE, CLEAR_ONLY, INNER) or site.event.depth:
        return
    few = key.value in ("population", "likely-finite", "finite") or subject.container.initial
    ending = None if few else _ending(project, subject, site)
    if ending is not None:
        path, function = ending
        reason = (
            f"`{function.name}` ends what `{site.event.key}` stands for, but leaves it in `{subject.name}`"
        )
        yield Evidence("sibling", function.name, reason, 3, Location(path, function.line, function.column))
        return
    tag = next((t for t in site.event.value_origins if _ONE_SHOT.match(t)), "")
    if tag and cleanup.grade == NONE:
        what = tag.partition(":")[2].rpartition(".")[2]
        yield Evidence(
            "value", "one-shot", f"each entry is a `{what}` that is done once and never taken out", 2
        )
        return
    blanked = _blanked(subject)
    if blanked is not None and cleanup.grade == NONE and key.value != "finite":
        reason = f"an entry that is done with is set to `None`, but stays in `{subject.name}`"
        place = Location(blanked.path, blanked.event.line, blanked.event.column)
        yield Evidence("value", "blanked", reason, 3, place)
        return
    if _WEAK.search(site.event.value):
        reason = "holds weak references, which stay when what they refer to is gone"
        yield Evidence("value", "weak reference", reason, 3)
        return
    forgetful = _forgetful(project, subject, site)
    if forgetful is not None and cleanup.grade == NONE:
        path, function = forgetful
        reason = f"every instance adds to what all share, and `{function.name}` does not take it out again"
        yield Evidence("sibling", function.name, reason, 4, Location(path, function.line, function.column))
        return
    child = _child(project, subject, site)
    if child and cleanup.grade == NONE:
        reason = (
            f"`{child}` is made here and given to the caller, who can close it, which does not take it out"
        )
        yield Evidence("value", "child", reason, 3)


def _blanked(subject: Subject) -> Seen | None:
    """Where an entry that is known to be there is set to `None`, while others are something."""
    changes = [s for s in subject.events(Op.GROW) if s.event.method == "[]=" and not s.event.depth]
    if all(s.event.value == "None" for s in changes):
        return None
    for seen in changes:
        event = seen.event
        entry = re.compile(rf"(not )?[\w.]*\b{re.escape(f'{subject.name}[{event.key}]')}")
        own = re.compile(rf"loop:(\w+\()?[\w.]*\b{re.escape(subject.name)}\b")
        there = re.compile(rf"{re.escape(event.key)} in [\w.]*\b{re.escape(subject.name)}$")
        known = any(own.match(tag) for tag in event.key_origins) or any(
            there.match(g) or (entry.match(g) and not _says_none(g)) for g in event.guards
        )
        if event.value == "None" and known:
            return seen
    return None


def _says_none(guard: str) -> bool:
    return guard.endswith(" is None") and not guard.startswith("not ")


def _ending(project: Project, subject: Subject, site: Seen) -> tuple[str, Function] | None:
    """The function beside the container that by its name ends what the key stands for, and that leaves the entry in."""
    noun = tuple(w for w in words(site.event.key.rpartition(".")[2]) if w not in _HANDLE)
    if not noun or not site.event.key.replace(".", "").replace("_", "").isalnum():
        return None
    removing = {(s.path, s.event.func) for s in subject.events(*_REMOVES) if not s.event.depth}
    for index, function in enumerate(project.files[subject.path].functions):
        if function.cls != subject.cls or function.parent >= 0 or not _is_end(words(function.name), noun):
            continue
        if not _reaches(project, (subject.path, index), removing):
            return subject.path, function
    return None


def _forgetful(project: Project, subject: Subject, site: Seen) -> tuple[str, Function] | None:
    """The method that ends an instance, but leaves in a class-level container what its constructor put there."""
    maker = project.function(site.path, site.event.func)
    if subject.scope != "c" or maker is None or maker.name not in CONSTRUCTORS:
        return None
    if site.event.value_origins[:1] == ("self",) or any(
        t.startswith("const:") for t in site.event.value_origins
    ):
        return None
    removing = {(s.path, s.event.func) for s in subject.events(*_REMOVES) if not s.event.depth}
    for name in sorted(_STOPS):
        at = project.method(Place(site.path, maker.cls), name)
        function = project.function(*at) if at is not None else None
        if at is not None and function is not None and not _reaches(project, at, removing):
            return at[0], function
    return None


def _is_end(name: tuple[str, ...], noun: tuple[str, ...]) -> bool:
    """`remove_client`, `on_client_left`."""
    while name and name[0] in ("on", "handle", "async", "a", "do"):
        name = name[1:]
    plain = name[1:] in (noun, (*noun[:-1], noun[-1] + "s"))
    return bool(name) and ((name[0] in _ENDS and plain) or (name[-1] in _ENDED and name[:-1] == noun))


def _reaches(project: Project, start: tuple[str, int], removing: set[tuple[str, int]]) -> bool:
    """Whether a function, or one that it calls or passes along, takes entries out."""
    found, todo = {start}, [start]
    while todo:
        path, index = todo.pop()
        function = project.function(path, index)
        assert function is not None
        for name in (*function.calls, *function.refs):
            target = project.callee(name, path, index)
            if target is not None and target not in found:
                found.add(target)
                todo.append(target)
    return bool(found & removing) or any(
        function.parent == start[1] and (start[0], i) in removing
        for i, function in enumerate(project.files[start[0]].functions)
    )


def _child(project: Project, subject: Subject, site: Seen) -> str:
    """The class of what a method makes, keeps among the others of its kind and returns, if that can be closed."""
    function = project.function(site.path, site.event.func)
    tag = next((t for t in site.event.value_origins if t.startswith("new:")), "")
    if function is None or not tag or tag not in function.returns or subject.scope != "i":
        return ""
    cls = project.class_named(tag.partition(":")[2], site.path)
    given = (
        [c for p, c in project.constructions.get(cls, ()) if (p, c.func) == (site.path, site.event.func)]
        if cls
        else []
    )
    if cls is None or not any(
        "self" in a.split("|") for c in given for a in (*c.args, *(v for _, v in c.keywords))
    ):
        return ""
    closes = {m for p in project.mro(cls) for m in (getattr(project.class_at(p), "methods", ()))} & _CLOSES
    return cls.name if closes else ""
