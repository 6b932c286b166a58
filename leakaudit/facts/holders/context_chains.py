"""Objects that keep a copy of the context they were made in, and are put into a context variable themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.holders.links import Link
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import FileFacts, Function

if TYPE_CHECKING:
    from leakaudit.facts.project import Project


def context_chains(project: Project) -> Iterator[Link]:
    """Yield the context variables whose values hold the context before, with the value that was in it, and so on."""
    for path, call in project.calls("ContextVar"):
        if call.callee != "x:contextvars.ContextVar" or not call.usage.startswith("name:m:"):
            continue
        name = call.usage[7:]
        held = next(
            (found for f in project.files[path].functions if (found := _set(project, path, f, name))), None
        )
        if held is not None:
            place, line = held
            kind = place.name.rpartition(".")[2]
            yield Link(
                path,
                place.name,
                name,
                "context",
                call.line,
                call.column,
                -1,
                f"each `{kind}` keeps the context it was made in, and that context the `{kind}` before",
                (("contexts are copied into every task and timer", 1),),
                (path, line),
            )


def _set(project: Project, path: str, function: Function, name: str) -> tuple[Place, int] | None:
    """The class of what a function puts into the variable, if its instances keep a context."""
    if f"m:{name}.set" not in function.calls or "x:weakref.ref" in function.calls:
        return None
    named = [
        p.annotation.strip("'\"")
        for p in function.params
        if f"l:{function.qualname}.{p.name}" in function.refs
    ]
    if f"self:{function.cls}" in function.refs:
        named.append(function.cls)
    for text in filter(None, named):
        cls = project.class_named(text, path)
        if cls is not None and _keeps_context(project.files[cls.path], cls.name):
            return cls, function.line
    return None


def _keeps_context(facts: FileFacts, cls: str) -> bool:
    prefix = f"i:{cls}."
    typed = any(
        owner.startswith(prefix) and kind == "contextvars.Context" for owner, kind in facts.types.items()
    )
    return typed or any(
        owner.startswith(prefix) and "call:contextvars.copy_context" in tags
        for owner, tags, _, _ in facts.stored
    )
