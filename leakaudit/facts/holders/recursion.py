"""Nested functions that refer to themselves, directly or through one another: each run of the outer one ties a knot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.holders.registrations import registers
from leakaudit.facts.model import FileFacts, Function

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

#: Callees that keep what they are given until it has run.
_LATER = frozenset(
    "Thread Timer Process call_later call_soon call_soon_threadsafe call_at callLater add_done_callback create_task submit addCallback addErrback "
    "addBoth addCallbacks run_in_executor spawn spawn_callback add_callback add_timeout start_soon after schedule defer enqueue".split()
)


@dataclass(frozen=True, slots=True)
class Recursive:
    """`inner`, a function of `outer`, reaches itself through `ring` and keeps the variables `kept` of its call."""

    path: str
    outer: Function
    index: int  # of the outer function
    inner: Function
    ring: tuple[str, ...]
    kept: tuple[str, ...]


def recursive(project: Project) -> Iterator[Recursive]:
    """Yield one ring for each function that leaves it behind at its end."""
    for path, facts in project.files.items():
        families: dict[int, dict[str, Function]] = {}
        for function in facts.functions:
            if function.captures and function.parent >= 0 and not function.cls:
                families.setdefault(function.parent, {})[function.name] = function
        for index, family in families.items():
            outer = facts.functions[index]
            for name, inner in family.items():
                ring = _ring(family, name)
                if (
                    ring
                    and not {*ring} & {*outer.dropped}
                    and not _escapes(project, facts, outer, family, ring)
                ):
                    helpers = {f.name for f in facts.functions if f.parent == index}
                    kept = {
                        c for member in ring for c in family[member].captures if c[:1].islower()
                    } - helpers
                    yield Recursive(path, outer, index, inner, ring, tuple(sorted(kept)))
                    break


def _ring(family: dict[str, Function], start: str) -> tuple[str, ...]:
    """The shortest way from a function back to itself through what it captures."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    for way in ways:
        for name in family[way[-1]].captures:
            if name == start:
                return way
            if name in family and name not in seen:
                seen.add(name)
                ways.append((*way, name))
    return ()


def _escapes(
    project: Project, facts: FileFacts, outer: Function, family: dict[str, Function], ring: tuple[str, ...]
) -> bool:
    """One of them is returned, stored or registered: it lives on for a purpose."""
    tags = {f"closure:{family[name].qualname}" for name in ring}
    if tags & {*outer.returns} or any(tags & {*origin.split("|")} for _, origin, _, _ in facts.stored):
        return True
    for call in facts.calls:
        given = (*call.args, *(value for _, value in call.keywords))
        if any(tags & {*argument.split("|")} for argument in given) and (
            call.usage.startswith(("store:", "return"))
            or call.callee.replace(":", ".").rpartition(".")[2] in _LATER
            or registers(call.callee, project.tables)
        ):
            return True
    return False
