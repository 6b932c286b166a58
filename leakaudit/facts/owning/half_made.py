"""Objects whose constructor raises when it has opened something already: there is nobody who could close it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import FileFacts, Flag, Function
from leakaudit.facts.owning.closeables import Closeables
from leakaudit.facts.owning.ownership import Resource, Unclosed, closes, is_teardown, stored_as
from leakaudit.facts.project import Project
from leakaudit.facts.reading.closers import is_closer
from leakaudit.findings import Evidence, Location, Related

_MAKING = ("__init__", "__enter__", "__aenter__", "__post_init__")
#: What the collector closes as soon as the half-made object is gone.
_PLAIN = frozenset(
    (
        "file",
        "archive",
        "socket",
        "directory",
        "memory map",
        "response",
        "pipe",
        "exit stack",
        "child process",
    )
)
#: What is sure to have something open from its beginning, where only its class tells what it is.
_AT_WORK = frozenset("connection connector pool channel executor resolver selector poller socketpair".split())


def unclosed(project: Project) -> Iterator[Unclosed]:
    """Yield the attributes that are open when their own constructor gives up."""
    closeables = Closeables(project)
    for path, facts in project.files.items():
        raises = _raises(facts)
        told: set[str] = set()
        for owner, origins, line, func in facts.stored:
            if func not in raises or owner in told or not owner.startswith("i:") or "[]" in owner:
                continue
            function = facts.functions[func]
            later = [at for at in raises[func] if at[0] > line]
            made = stored_as(project, path, func, origins, closeables.made) if later else None
            guessed = made is not None and stored_as(project, path, func, origins) is None
            if made is None or made[0].kind in _PLAIN or (guessed and made[0].kind not in _AT_WORK):
                continue
            cls, _, attribute = owner[2:].rpartition(".")
            known = _guards_of(facts, func, line)
            names = {attribute, *(tag[6:] for tag in origins.split("|") if tag.startswith("local:"))}
            exits = [at for at in later if not (_excludes(known, at[1]) or _asks(at[1][-1:], names))]
            if (
                exits
                and cls == function.cls
                and not _is_ended(project, path, function, cls, attribute, made[0])
            ):
                told.add(owner)
                yield _unclosed(project, path, function, attribute, line, exits[0][0], made[0])


def _raises(facts: FileFacts) -> dict[int, list[tuple[int, tuple[str, ...]]]]:
    """Function -> (line, guards) of the exceptions that it raises by itself, for those that make an object.

    What a handler raises may come because nothing could be made.
    """
    found: dict[int, list[tuple[int, tuple[str, ...]]]] = {}
    sites = [(c.func, c.line, c.guards, c.flags) for c in facts.calls if c.usage == "raise"]
    for func, line, guards, flags in (*sites, *((r.func, r.line, r.guards, r.flags) for r in facts.raises)):
        if func >= 0 and not flags & Flag.EXCEPT and facts.functions[func].name in _MAKING:
            found.setdefault(func, []).append((line, guards))
    return found


def _guards_of(facts: FileFacts, func: int, line: int) -> tuple[str, ...]:
    """The tests around the call that makes what is stored at a line."""
    return next((c.guards for c in facts.calls if c.func == func and c.line <= line <= c.end_line), ())


def _excludes(made: tuple[str, ...], raised: tuple[str, ...]) -> bool:
    """Whether one runs only where the other does not: the two branches of an `if`."""
    return any(f"not {test}" in raised for test in made) or any(f"not {test}" in made for test in raised)


def _asks(guards: tuple[str, ...], names: set[str]) -> bool:
    """Whether it raises because of the thing itself."""
    return any(name in re.findall(r"\w+", guard) for guard in guards for name in names)


def _is_ended(
    project: Project, path: str, function: Function, cls: str, attribute: str, resource: Resource
) -> bool:
    """Whether the constructor or `__del__` closes it, or all of its object."""
    index = project.function_named(path, f"{cls}.__del__")
    finalizer = project.function(path, index) if index is not None else None
    for place in project.mro(Place(path, cls)):
        for at in (function, finalizer):
            for call in (*at.calls, *at.refs) if at is not None else ():
                holder, _, name = call.rpartition(".")
                if holder == f"i:{place.name}" and (is_teardown(name) or is_closer(name)):
                    return True
                if holder == f"i:{place.name}.{attribute}" and closes(name, resource):
                    return True
    return False


def _unclosed(
    project: Project,
    path: str,
    function: Function,
    attribute: str,
    line: int,
    exit_line: int,
    resource: Resource,
) -> Unclosed:
    why = f"is left open when `{function.name}` raises afterwards: nobody has the object to close it"
    at = Location(path, exit_line)
    lifetime = project.lifetimes.of_class(Place(path, function.cls))
    evidence = (
        Evidence("path", "half-made", f"`{attribute}` {why}", 3, at),
        Evidence(
            "resource", resource.kind, f"`{attribute}` holds a {resource.kind}", max(resource.harm - 2, 0)
        ),
        Evidence("lifetime", lifetime.value, lifetime.reason, -3 if lifetime.value == "process" else 0),
    )
    symbol = f"{project.module_name(path)}.{function.cls}.{attribute}"
    related = (Related(at, f"`{function.name}` gives up here"),)
    return Unclosed(
        path, Location(path, line), symbol, attribute, resource, why, evidence, related, "attribute"
    )
