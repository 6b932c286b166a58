"""Removals that miss: another key, a path that goes round them, a test that the addition does not make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.model import Event, Flag, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

#: Grades of cleanups that miss.
WRONG_KEY, SUCCESS_ONLY, SKIPPED, UNANSWERED = "wrong-key", "success-only", "skipped", "unanswered"
_NOT_FINALLY = "the removal is skipped when what lies between is cancelled or raises: it is not in `finally`"
_UNDOES = re.compile(
    r"^(a|async_)?((disconnect|unregister|deregister|forget|detach|evict)(_|$)|(remove|release)_)"
)
_SWITCH = re.compile(r"^self(\.\w+)+$")


def missed(
    project: Project, subject: Subject, direct: list[Seen], partial: list[Seen], called: list[Seen]
) -> tuple[str, str] | None:
    """Return the grade and the reason, when something goes round the removals of single entries."""
    if success_only(project, subject, partial):
        return SUCCESS_ONLY, _NOT_FINALLY
    left = _left_in(project, subject, called)
    if left is not None:
        return left
    turned_away = _turned_away(project, subject, called)
    if turned_away:
        return SKIPPED, turned_away
    test = _switch(subject, direct)
    return (SKIPPED, f"every removal asks for `{test}` first, but not every addition") if test else None


def wrong_key(subject: Subject, removals: list[Seen]) -> str:
    """Say how every removal asks for something else than what was put in, or ""."""
    inserts = [s.event for s in subject.events(Op.GROW) if s.event.func >= 0]
    if not inserts:
        return ""
    reasons = [_mismatch(subject, inserts, s.event) for s in removals]
    return reasons[0] if reasons and all(reasons) else ""


def _mismatch(subject: Subject, inserts: list[Event], removal: Event) -> str:
    if removal.op is not Op.SHRINK or removal.flags & Flag.CALLBACK or not removal.key:
        return ""
    if subject.container.kind in ("dict", "defaultdict"):
        if removal.method not in ("pop", "del") or not removal.key.isidentifier():
            return ""
        for insert in inserts:
            holder, _, attribute = insert.key.rpartition(".")
            if (
                insert.method not in ("[]=", "__setitem__")
                or not attribute
                or not holder.isidentifier()
                or insert.value.partition(".")[0] != holder
                or holder != removal.key
            ):
                return ""
        return f"put in under `{inserts[0].key}`, but taken out with `{removal.key}`, which never matches"
    if removal.method not in ("remove", "discard") or not removal.key.startswith("("):
        return ""
    taken = [part.strip() for part in removal.key.strip("()").split(",")]
    for insert in inserts:
        given = [part.strip() for part in insert.value.strip("()").split(",")]
        shared = [name for name in taken if name in given]
        if (
            not insert.value.startswith("(")
            or len(taken) != len(given)
            or not shared
            or any(taken.index(n) == given.index(n) for n in shared)
        ):
            return ""
    return f"put in as `{inserts[0].value}`, but taken out as `{removal.key}`, which never matches"


def success_only(project: Project, subject: Subject, removals: list[Seen]) -> bool:
    """Tell whether entries are put in and taken out by one coroutine that may be cancelled in between."""
    if subject.container.kind not in ("dict", "defaultdict") or any(
        s.event.flags & (Flag.FINALLY | Flag.EXCEPT | Flag.CALLBACK | Flag.LOOP) for s in removals
    ):
        return False
    grows = [
        s
        for s in subject.seen
        if s.event.func >= 0
        and (
            s.event.op is Op.GROW or (s.event.op is Op.READ_GROW and subject.container.kind == "defaultdict")
        )
    ]
    places = {(s.path, s.event.func) for s in grows}
    if len(places) != 1 or any(
        (s.path, s.event.func) not in places or s.event.op is not Op.SHRINK for s in removals
    ):
        return False
    path, index = next(iter(places))
    function = project.function(path, index)
    return (
        function is not None
        and function.is_async
        and min(s.event.line for s in grows) < min(s.event.line for s in removals) - 1
    )


def _left_in(project: Project, subject: Subject, called: list[Seen]) -> tuple[str, str] | None:
    """Grade by the ways out of functions that leave an entry in."""
    ways = project.abandoned.get(Place(subject.path, subject.owner), ())
    for path, item in ways:
        function = project.function(path, item.func)
        name = function.name if function is not None else "?"
        if item.how in ("raise", "return"):
            reason = f"`{name}` takes the entry out again, but not when it leaves by the `{item.how}` in line {item.exit_line}"
            return SKIPPED, reason
        if item.how == "wait":
            return SUCCESS_ONLY, _NOT_FINALLY
        inside = any(_is_inside(project, s, path, item.func) for s in called)
        if not inside and any(s.event.key for s in called):  # whatever is first in a queue goes in its turn
            end = "the wait is cancelled" if item.how == "cancelled" else "the wait times out"
            reason = f"`{name}` puts an entry in and waits (line {item.exit_line}), but does not take it out when {end}"
            return UNANSWERED, reason
    return None


def _turned_away(project: Project, subject: Subject, removals: list[Seen]) -> str:
    """Say what is called right after an entry is put in and undoes the rest of what a removal undoes, or ""."""
    removing = {(s.path, s.event.func) for s in removals if s.event.op is Op.SHRINK and s.event.key}
    undoing = {place: _undone(project, place) for place in removing}
    for seen in subject.events(Op.GROW):
        adder = project.function(seen.path, seen.event.func)
        for name in adder.calls if adder is not None and (seen.path, seen.event.func) not in removing else ():
            other = project.callee(name, seen.path, seen.event.func) if name.startswith("i:") else None
            if other is None or other[0] != subject.path or other in removing:
                continue
            shared = sorted({c for calls in undoing.values() for c in calls} & _undone(project, other))
            function = project.function(*other)
            if shared and function is not None and not _calls_any(project, other, removing):
                call = shared[0].partition(":")[2].partition(".")[2]
                return f"`{function.name}` undoes an addition (`{call}`), but does not take the entry out"
    return ""


def _undone(project: Project, place: tuple[str, int]) -> set[str]:
    """What a function calls on an attribute of its object to end something: `i:Server.manager.disconnect`."""
    function = project.function(*place)
    calls = function.calls if function is not None else ()
    return {
        c for c in calls if c.startswith("i:") and c.count(".") > 1 and _UNDOES.match(c.rpartition(".")[2])
    }


def _calls_any(project: Project, place: tuple[str, int], wanted: set[tuple[str, int]]) -> bool:
    function = project.function(*place)
    calls = function.calls if function is not None else ()
    return any(project.callee(name, *place) in wanted for name in calls)


def _is_inside(project: Project, seen: Seen, path: str, index: int) -> bool:
    """Whether an event stands in a function nested in another."""
    function = project.function(seen.path, seen.event.func)
    while function is not None and function.parent >= 0 and seen.path == path:
        if function.parent == index:
            return True
        function = project.function(path, function.parent)
    return False


def _switch(subject: Subject, removals: list[Seen]) -> str:
    """The attribute without which nothing is removed, and by which only some additions of the same entry ask, or ""."""
    common = set.intersection(*[{_plain(g) for g in s.event.guards} for s in removals])
    taken = {s.event.key for s in removals if s.event.op is Op.SHRINK} - {""}
    additions = [
        {_plain(g) for g in s.event.guards}
        for s in subject.events(Op.GROW)
        if s.event.func >= 0 and s.sure and (s.event.key or s.event.value) in taken
    ]
    for test in sorted(common):
        if _SWITCH.match(test) and test.rpartition(".")[2] != subject.name:
            asking = [test in guards for guards in additions]
            if any(asking) and not all(asking):
                return test
    return ""


def _plain(guard: str) -> str:
    while guard.startswith("not not "):
        guard = guard[8:]
    return guard.removesuffix(" is not None")
