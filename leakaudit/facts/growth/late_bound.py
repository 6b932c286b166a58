"""Callbacks made in a loop that take out whatever the loop's variable holds by then, not what it held when they were made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.model import Event, FileFacts, Flag, Op
from leakaudit.facts.project import Project


@dataclass(frozen=True, slots=True)
class LateBound:
    """`added` puts in what `name` holds, once a turn; `removal` runs later, and asks for `name` then."""

    path: str
    name: str
    added: Event
    removal: Event


def late_bound(project: Project) -> Iterator[LateBound]:
    """Yield the removals in functions that take the name from the loop around them."""
    for path, facts in project.files.items():
        for removal in facts.events:
            if removal.op == Op.SHRINK and removal.key.isidentifier() and removal.func >= 0:
                added = _added(facts, removal)
                if added is not None:
                    yield LateBound(path, removal.key, added, removal)


def _added(facts: FileFacts, removal: Event) -> Event | None:
    function = facts.functions[removal.func]
    outer = facts.functions[function.parent] if function.parent >= 0 else None
    passed = outer is not None and (
        "lambda" in function.name or any(ref.endswith(f".{function.name}") for ref in outer.refs)
    )
    if not passed or f"local:{removal.key}" not in removal.key_origins[:1]:
        return None
    for event in facts.events:
        same = event.owner == removal.owner and event.func == function.parent and event.op == Op.GROW
        if same and removal.key in (event.key, event.value) and event.flags & Flag.LOOP and not event.depth:
            fresh = event.key_origins if event.key else event.value_origins
            if any(tag.startswith(("call:", "new:")) for tag in fresh) and event.line <= function.line:
                return event
    return None
