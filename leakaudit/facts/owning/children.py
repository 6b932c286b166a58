"""Child processes that nobody waits for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.owning.closings import Closings
from leakaudit.facts.owning.ownership import CHILD, made_by
from leakaudit.facts.project import Project
from leakaudit.facts.resources import CLOSERS, REAPERS, STARTED
from leakaudit.findings import Evidence, Location

_CONTEXT = {"per-event": 2, "likely-event": 1, "start-up": -3, "import": -8}
_ONCE = frozenset("main _main cli amain".split())


@dataclass(frozen=True, slots=True)
class Orphan:
    """A child process that is started here, under what name, and why nobody reaps it."""

    path: str
    func: int
    location: Location
    name: str
    why: str
    evidence: tuple[Evidence, ...]


def orphans(project: Project) -> Iterator[Orphan]:
    """Yield the child processes whose handle is dropped, forgotten, or kept without ever being waited for."""
    for path, facts in project.files.items():
        for held in facts.holdings:
            if (
                held.how != "raise"
                and not held.lent
                and not held.closed
                and _is_child(project, path, held.func, held.maker)
            ):
                place = Location(path, held.line, held.column, held.end_line, held.end_column)
                yield _orphan(
                    project, path, held.func, place, held.name, "is forgotten without a `wait()`", 1
                )
    closings = Closings(project)
    for path, call in project.calls(*sorted(STARTED)):
        usage = call.usage.removeprefix("await:")
        if call.func < 0 or not _is_child(project, path, call.func, call.callee):
            continue
        place = Location(path, call.line, call.column, call.end_line, call.end_column)
        if usage in ("drop", "await"):
            yield _orphan(project, path, call.func, place, "", "is started and its handle dropped", 1)
        elif usage.startswith("store:i:") and not _is_reaped(project, closings, path, usage[8:]):
            name = usage.rpartition(".")[2]
            yield _orphan(project, path, call.func, place, name, "is kept, and nothing ever waits for it", 2)


def _is_child(project: Project, path: str, func: int, maker: str) -> bool:
    made = made_by(project, path, func, maker)
    return made is not None and made.kind == CHILD


def _is_reaped(project: Project, closings: Closings, path: str, owner: str) -> bool:
    name, _, attribute = owner.rpartition(".")
    cls = project.class_named(name, path) or Place(path, name)
    return bool(closings.methods(cls, attribute) & (REAPERS | CLOSERS)) or _handed(project, path, attribute)


def _handed(project: Project, path: str, attribute: str) -> bool:
    """Whether it is passed to something that may wait for it."""
    return any(
        ref.endswith(f".{attribute}") for function in project.files[path].functions for ref in function.refs
    )


def _orphan(
    project: Project, path: str, func: int, place: Location, name: str, why: str, weight: int
) -> Orphan:
    function = project.function(path, func)
    outer = function
    while outer is not None and outer.name not in _ONCE:
        outer = project.function(path, outer.parent)
    context = project.contexts.of_function(path, func)
    frequency = (
        Evidence("context", "start-up", f"`{outer.name}` runs once", _CONTEXT["start-up"])
        if outer is not None
        else Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0))
    )
    evidence = (
        Evidence("handle", "kept" if weight > 1 else "dropped", f"the child {why}", weight),
        frequency,
    )
    return Orphan(path, func, place, name, why, evidence)
