"""What is shared, and extended in place through a local name that was given a new list in case there is none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.containers import is_container
from leakaudit.facts.frame import Frame
from leakaudit.facts.linked import Seen, Subject
from leakaudit.facts.model import Flag

if TYPE_CHECKING:
    from leakaudit.facts.project import Project


def may_be_new(frame: Frame, name: str) -> bool:
    """Tell whether a local stands for something shared or else for a new list, which nothing then stores."""
    if not any(_has_default(value) for value in frame.definitions.get(name, ())):
        return False
    kept = (*(raw.value for raw in frame.events), *(value for _, value, _ in frame.stores), *frame.returns)
    return not any(type(value) is ast.Name and value.id == name for value in kept)


def _has_default(value: ast.AST) -> bool:
    """`shared.get(key, [])`, `shared or []`, `shared if asked else []`."""
    if isinstance(value, ast.IfExp):
        return is_container(value.body) != is_container(value.orelse)
    if isinstance(value, ast.BoolOp):
        return isinstance(value.op, ast.Or) and is_container(value.values[-1])
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "get":
        return len(value.args) == 2 and is_container(value.args[1])
    return False


def extended_in_place(project: Project) -> Iterator[tuple[Subject, Seen]]:
    """Yield the shared containers that a function makes longer by `+=` on such a name."""
    for subject in project.subjects.values():
        if subject.scope in "imc":
            for seen in subject.seen:
                if seen.event.flags & Flag.EITHER and seen.sure:
                    yield subject, seen
