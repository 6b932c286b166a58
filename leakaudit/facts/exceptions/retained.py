"""Exceptions that stay reachable: put into containers, raised again and again, held by the frame that raised them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.holders.endings import Endings
from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.model import FrameCycle, Op, Raise

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_EXCEPTION = re.compile(
    r"(Error|Exception|Warning|Timeout|Cancelled|Failure|Retry|Fault|error|timeout|herror)$"
)
_FINAL = frozenset({"SystemExit", "KeyboardInterrupt", "GeneratorExit"})
_CLEANERS = frozenset({"cleanFailure", "clear_frames", "traceback_clear", "with_traceback", "trap"})
_CALLBACKS = ("addBoth", "addErrback")


@dataclass(frozen=True, slots=True)
class Kept:
    """`what` (exception, exc_info, failure) is put into `subject` by `seen`; `again` are the places that raise it again."""

    subject: Subject
    seen: Seen
    what: str
    again: tuple[tuple[str, Raise], ...] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """One exception object of a module or class that is raised at all these places. `line` is 0 if bound elsewhere."""

    path: str
    symbol: str
    line: int
    raised: tuple[tuple[str, Raise], ...]


def kept(project: Project) -> Iterator[Kept]:
    """Yield the containers that exceptions are put into, with their tracebacks."""
    again = _raised_elements(project)
    failures = _failure_parameters(project)
    for subject in project.subjects.values():
        if subject.scope not in "imc" or subject.container.weak:
            continue
        for seen in subject.events(Op.GROW):
            what = _what(project, seen, failures)
            beside = _raised_beside(project, seen)
            raised = (
                again.get(Place(subject.path, subject.owner), []) if _makes_exception(project, seen) else []
            )
            if what or beside or raised:
                yield Kept(subject, seen, what or "exception", (*raised, *beside))
                break


def _what(project: Project, seen: Seen, failures: dict[tuple[str, int], str]) -> str:
    tags = seen.event.value_origins
    if "except" in tags:
        return "exception"
    function = project.function(seen.path, seen.event.func)
    if function is None or any(name.rpartition(".")[2] in _CLEANERS for name in function.calls):
        return ""
    printed = "[" in seen.event.value or "traceback.format" in seen.event.value
    if "call:sys.exc_info" in tags and not printed:
        return "exc_info"
    parameter = failures.get((seen.path, seen.event.func))
    return "failure" if parameter and any(t.startswith(f"param:{parameter}:") for t in tags[:1]) else ""


def taken(project: Project, item: Kept) -> tuple[int, ...]:
    """The lines where the function takes the exc_info that it then puts into the container."""
    event = item.seen.event
    return tuple(
        call.line
        for path, call in project.calls("exc_info")
        if item.what == "exc_info"
        and path == item.seen.path
        and call.func == event.func
        and call.line < event.line
    )


def _failure_parameters(project: Project) -> dict[tuple[str, int], str]:
    """Functions given to a Deferred that are called with its Failure -> the parameter that takes it."""
    found = {}
    for path, call in project.calls(*_CALLBACKS):
        first = call.args[0].partition("|")[0] if call.args else ""
        if first.startswith("bound:"):
            target = project.callee(first[6:], path, call.func)
            function = project.function(*target) if target is not None else None
            if target is not None and function is not None and len(function.params) > 1:
                found[target] = function.params[1].name
    return found


def _raised_elements(project: Project) -> dict[Place, list[tuple[str, Raise]]]:
    """Containers whose elements are raised."""
    found: dict[Place, list[tuple[str, Raise]]] = {}
    for path, facts in project.files.items():
        for item in facts.raises:
            if item.owner.endswith("[]") and item.owner[0] in "icm":
                found.setdefault(Place(path, item.owner.removesuffix("[]")), []).append((path, item))
    return found


def _raised_beside(project: Project, seen: Seen) -> list[tuple[str, Raise]]:
    """The places where a function raises the very object that it has put into the container."""
    event = seen.event
    if not event.value.isidentifier():
        return []
    return [
        (seen.path, item)
        for item in project.files[seen.path].raises
        if item.func == event.func and item.owner.startswith("l:") and item.owner.endswith(f".{event.value}")
    ]


def _makes_exception(project: Project, seen: Seen) -> bool:
    tags = seen.event.value_origins
    return "except" in tags or any(is_exception(project, seen.path, tag) for tag in tags)


def is_exception(project: Project, path: str, tag: str) -> bool:
    """Tell whether an origin tag is the making of an exception object."""
    verb, _, name = tag.partition(":")
    last = name.rpartition(".")[2]
    if verb not in ("new", "call") or last in _FINAL or not last:
        return False
    if _EXCEPTION.search(last) and (verb == "new" or last in ("error", "timeout", "gaierror", "herror")):
        return True
    place = project.class_named(name, path) if verb == "new" else None
    return place is not None and any(_EXCEPTION.search(base) for base in project.base_names(place))


def shared(project: Project) -> Iterator[Shared]:
    """Yield the exception objects that are made once, at module or class level, and raised in functions."""
    found: dict[tuple[str, str], list[tuple[str, Raise]]] = {}
    lines: dict[tuple[str, str], int] = {}
    for path, facts in project.files.items():
        for item in facts.raises:
            home = _home(project, path, item) if item.func >= 0 else None
            if home is not None:
                found.setdefault(home, []).append((path, item))
                lines[home] = item.made if home[0] == path else 0
    for home, raised in found.items():
        yield Shared(home[0], f"{project.module_name(home[0])}.{home[1]}", lines[home], tuple(raised))


def _home(project: Project, path: str, item: Raise) -> tuple[str, str] | None:
    """The file and name that hold a raised object which exists once."""
    scope, _, name = item.owner.partition(":")
    if scope == "m" and "." not in name:
        return (path, name) if any(is_exception(project, path, tag) for tag in item.origins) else None
    if scope == "x":
        located = project.modules.locate(name, path)
        if located is None or not located[1]:
            return None
        kind = project.files[located[0]].types.get(f"m:{located[1]}", "")
        return located if kind and is_exception(project, located[0], f"new:{kind}") else None
    if scope in ("i", "c"):
        kind = project.files[path].types.get(f"c:{name}", "")
        return (path, name) if kind and is_exception(project, path, f"new:{kind}") else None
    return None


@dataclass(frozen=True, slots=True)
class Remembered:
    """An attribute that a handler puts its exception into, and that is raised again at these places."""

    path: str
    owner: str
    line: int
    func: int
    raised: tuple[Raise, ...]


def remembered(project: Project) -> Iterator[Remembered]:
    """Yield the attributes whose exception is raised each time that the broken object is used."""
    endings = Endings(project)
    for path, facts in project.files.items():
        raised: dict[str, list[Raise]] = {}
        for item in facts.raises:
            if item.owner.startswith("i:") and not item.owner.endswith("[]"):
                raised.setdefault(item.owner, []).append(item)
        for owner, origin, line, func in facts.stored:
            cls, _, attribute = owner[2:].rpartition(".")
            if (
                owner in raised
                and origin.partition("|")[0] == "except"
                and not endings.is_cleared(Place(path, cls), attribute)
            ):
                yield Remembered(path, owner, line, func, tuple(raised.pop(owner)))


def held_by_frame(project: Project) -> Iterator[tuple[str, FrameCycle]]:
    """Yield the exceptions whose traceback refers to a frame that keeps them: a cycle for every error.

    A call returned what is raised, a future was given it, or a list collected it.
    """
    for path, facts in project.files.items():
        yield from ((path, held) for held in facts.frame_cycles)
        for item in facts.raises:
            name = item.owner.rpartition(".")[2]
            if (
                item.owner.startswith("l:")
                and "released" not in item.origins
                and any(guard.startswith(f"isinstance({name},") for guard in item.guards)
                and _returned(item.origins)
            ):
                yield path, FrameCycle(name, item.line, item.column, item.func, "call")


def _returned(tags: tuple[str, ...]) -> bool:
    """It is the result of one call, not made here, not handed in, not taken from something that is looped over."""
    return (
        len(tags) > 1
        and tags[1].startswith("call:")
        and not any(t.startswith(("loop:", "new:", "param:")) for t in tags)
    )
