"""Locals that stand for something shared, or else for a new list that is made in case there is none."""

from __future__ import annotations

import ast

from leakaudit.facts.reading.containers import is_container
from leakaudit.facts.reading.frame import Frame


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
