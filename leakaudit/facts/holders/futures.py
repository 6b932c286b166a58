"""Done-callbacks that close over the very future that they are added to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.model import Call, Function

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_METHOD = re.compile(r"^_?add_(\w*done_)?callback$")
_FUNCTION = re.compile(r"^(add_future|\w*add_done_callback)$")
#: Makers of futures of the event loop, which drop their callbacks when they are done.
_OF_LOOP = re.compile(
    r"^call:([\w.]*\.)?(\w*(create|start|spawn)_\w*task|ensure_future|create_future|gather|shield|wrap_future|run_in_executor)$|^new:([\w.]*\.)?Task$"
)


@dataclass(frozen=True, slots=True)
class OwnCallback:
    """`call` gives future `name` the function `closure`, which captured `name`. `cleared` if the future drops it when done."""

    path: str
    call: Call
    name: str
    closure: Function
    cleared: bool


def own_callbacks(project: Project) -> Iterator[OwnCallback]:
    """Yield the callbacks that hold the future which holds them."""
    for path, facts in project.files.items():
        seen: set[tuple[int, int]] = set()
        for call in facts.calls:
            name, tags, given = _future(call) if call.func >= 0 else ("", (), ())
            closure = next((c for a in given if (c := _closure(project, path, call, a)) is not None), None)
            if (
                name
                and closure is not None
                and name in closure.captures
                and name not in facts.functions[call.func].captures  # else the next one takes its place there
                and (call.func, call.line) not in seen
            ):
                seen.add((call.func, call.line))
                yield OwnCallback(path, call, name, closure, any(_OF_LOOP.match(tag) for tag in tags))


def _future(call: Call) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The variable that a call gives callbacks to, where it comes from, and what it is given; ("", (), ()) for none."""
    scope, _, rest = call.callee.partition(":")
    base, _, verb = rest.rpartition(".")
    plain = scope == "t" or (scope == "?" and base.isidentifier())  # no call, and no attribute of something
    if _METHOD.match(verb) and plain and call.receiver:
        return _variable(call.receiver), call.receiver, call.args
    if _FUNCTION.match(verb or rest) and len(call.args) > 1:
        tags = tuple(call.args[0].split("|"))
        return _variable(tags), tags, call.args[1:]
    return "", (), ()


def _variable(tags: tuple[str, ...]) -> str:
    """The local variable or parameter that a value is."""
    kind, _, name = tags[0].partition(":")
    return name.partition(":")[0] if kind in ("param", "local") else ""


def _closure(project: Project, path: str, call: Call, argument: str) -> Function | None:
    tag = argument.partition("|")[0]
    if tag.startswith("closure:"):
        index = project.function_named(path, tag[8:])
        return project.function(path, index) if index is not None else None
    if tag != "lambda":
        return None
    inside = (f for f in project.files[path].functions if f.name == "<lambda>" and f.parent == call.func)
    return next((f for f in inside if call.line <= f.line <= call.end_line), None)
