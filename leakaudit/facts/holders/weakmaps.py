"""Weak-key maps whose values hold their own keys: such entries never go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.holders.links import is_parameter
from leakaudit.facts.linking.linked import Seen, Subject
from leakaudit.facts.model import Function, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_KINDS = ("WeakKeyDictionary", "WeakKeyDefaultDict")
_INSTANCES = ("param:", "local:", "self", "loop:", "with:")


@dataclass(frozen=True, slots=True)
class SelfHeld:
    """An entry whose value is made with its key. `sure` where the constructor is seen to store it."""

    subject: Subject
    seen: Seen
    how: str
    sure: bool


def self_held(project: Project) -> Iterator[SelfHeld]:
    """Yield one entry for each map."""
    for subject in project.subjects.values():
        kind = project.files[subject.path].types.get(subject.owner, "")
        if kind.rpartition(".")[2] not in _KINDS:
            continue
        for seen in subject.events(Op.GROW):
            found = _judge(project, subject, seen)
            if found is not None:
                yield found
                break


def _judge(project: Project, subject: Subject, seen: Seen) -> SelfHeld | None:
    event = seen.event
    key = event.key_origins[:1]
    if event.depth or not key or not key[0].startswith(_INSTANCES) or not event.value_origins:
        return None
    name = event.key
    made, rest = event.value_origins[0], event.value_origins[1:]
    if made.startswith("local:"):
        made, rest = (rest or ("",))[0], rest[1:]
    called = "(" in event.value  # else a local on the way
    given = _position(event.value, name) != "" if called else key[0] in rest
    if made.startswith("new:") and given and not made.endswith((".ref", ".proxy")):
        keeps = _stores(project, seen, made[4:])
        if keeps is None or not (called or project.class_named(made[4:], seen.path)):
            return None  # `value = Made(key.code)`: nothing tells what it is given
        return SelfHeld(subject, seen, f"`{made[4:].rpartition('.')[2]}` is made with `{name}`", keeps)
    if made.startswith("closure:"):
        index = project.function_named(seen.path, made[8:])
        closure: Function | None = project.function(seen.path, index) if index is not None else None
        if closure is not None and name in closure.captures:
            return SelfHeld(subject, seen, f"`{closure.name}` captures `{name}`", True)
    return None


def _stores(project: Project, seen: Seen, callee: str) -> bool | None:
    """Whether a class keeps what its constructor is given for the key: True, None for no, False where nothing tells."""
    cls = project.class_named(callee, seen.path)
    at = project.method(cls, "__init__") if cls is not None else None
    if at is None:
        return False
    names = [p.name for p in project.files[at[0]].functions[at[1]].params if not p.name.startswith("*")][1:]
    position = _position(seen.event.value, seen.event.key)
    name = names[position] if isinstance(position, int) and position < len(names) else position
    kept = [s[1] for s in project.files[at[0]].stored if s[3] == at[1] and s[0].startswith("i:")]
    if isinstance(name, str) and name:
        return True if any(is_parameter(origin, name) for origin in kept) else None
    return False if any(is_parameter(origin) for origin in kept) else None


def _position(text: str, key: str) -> int | str:
    """Which argument of a call the key is, "" where the text does not tell."""
    try:
        call = ast.parse(text, mode="eval").body
    except SyntaxError:  # cut off
        return ""
    if not isinstance(call, ast.Call):
        return ""
    given: list[tuple[int | str, ast.expr]] = [
        *enumerate(call.args),
        *((k.arg or "", k.value) for k in call.keywords),
    ]
    return next((at for at, node in given if isinstance(node, ast.Name) and node.id == key), "")
