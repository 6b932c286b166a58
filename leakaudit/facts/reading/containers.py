"""Recognise expressions that make a mutable container, and what bounds it."""

from __future__ import annotations

import ast
from functools import lru_cache

from leakaudit.facts.reading.expressions import dotted, short_text
from leakaudit.facts.tables import BOUNDED_SUFFIXES, CONTAINER_CALLS, LOCK_CALLS, WEAK_CALLS

_LITERALS = {
    ast.Dict: "dict",
    ast.List: "list",
    ast.Set: "set",
    ast.DictComp: "dict",
    ast.ListComp: "list",
    ast.SetComp: "set",
}
_FIELD_CALLS = {"field", "Field", "PrivateAttr", "attrib", "ib", "Factory"}
_TRAITS = {"Dict": "dict", "List": "list", "Set": "set"}


def is_container(node: ast.AST) -> bool:
    """Tell cheaply whether an expression makes a container (or a dataclass field that makes one)."""
    kind = type(node)
    if kind in _LITERALS:
        return True
    if kind is ast.Call:
        return _makes_one(_last(node.func))  # type: ignore[attr-defined]
    if kind is ast.BoolOp:
        return is_container(node.values[-1])  # type: ignore[attr-defined]
    if kind is ast.IfExp:
        return is_container(node.orelse) or is_container(node.body)  # type: ignore[attr-defined]
    if kind is ast.BinOp:
        return isinstance(node.left, ast.List) or isinstance(node.right, ast.List)  # type: ignore[attr-defined]
    return False


@lru_cache(maxsize=4096)
def _makes_one(name: str) -> bool:
    """Decide by the last part of a callee; code bases use few different ones."""
    return (
        name in CONTAINER_CALLS or name in _FIELD_CALLS or name in _TRAITS or name.endswith(BOUNDED_SUFFIXES)
    )


def describe(node: ast.AST) -> tuple[str, str, str, bool, int, str, bool]:
    """Return (kind, inner, bound, weak, initial entries, parameter it may come from, is a field) of a container expression.

    `inner` is what a defaultdict makes for a new key. `bound` is the reason why it cannot grow, else "".
    """
    if isinstance(node, ast.BoolOp):
        kind, inner, bound, weak, initial, _, is_field = describe(node.values[-1])
        return kind, inner, bound, weak, initial, short_text(node.values[0]), is_field
    if isinstance(node, ast.IfExp):
        side, other = (node.orelse, node.body) if is_container(node.orelse) else (node.body, node.orelse)
        kind, inner, bound, weak, initial, source, is_field = describe(side)
        return kind, inner, bound, weak, initial, source or short_text(other), is_field
    if isinstance(node, ast.BinOp):
        fixed = isinstance(node.op, ast.Mult)
        return "list", "", "made with a fixed length" if fixed else "", False, 1, "", False
    if isinstance(node, ast.Call):
        return _describe_call(node)
    initial = len(getattr(node, "keys", None) or getattr(node, "elts", None) or ())
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
        initial = 1
    return _LITERALS.get(type(node), "dict"), "", "", False, initial, "", False


def _describe_call(node: ast.Call) -> tuple[str, str, str, bool, int, str, bool]:
    name = _last(node.func)
    if name in _FIELD_CALLS:
        factory = _keyword(node, "default_factory", "factory")
        if name == "Factory" and node.args:
            factory = node.args[0]
        return (*_describe_factory(factory), True)
    if name in _TRAITS and name not in CONTAINER_CALLS:
        return _TRAITS[name], "", "", False, len(node.args), "", True
    if name not in CONTAINER_CALLS:
        return "dict", "", f"{name} evicts by itself", False, 0, "", False
    kind = CONTAINER_CALLS[name]
    bound = _bound(node, name, kind)
    inner = _inner(node.args[0]) if kind == "defaultdict" and node.args else ""
    initial = (
        0
        if kind in ("defaultdict", "queue")
        else len(node.args) + (len(node.keywords) if kind == "dict" else 0)
    )
    if kind == "deque":
        initial = 1 if node.args and not _is_empty_literal(node.args[0]) else 0
    return kind, inner, bound, name in WEAK_CALLS, initial, "", False


def _describe_factory(factory: ast.AST | None) -> tuple[str, str, str, bool, int, str]:
    if isinstance(factory, ast.Lambda) and is_container(factory.body):
        kind, inner, bound, weak, initial, source, _ = describe(factory.body)
        return kind, inner, bound, weak, initial, source
    if isinstance(factory, ast.Call):  # factory=Factory(list), partial(deque, maxlen=3)
        name = _last(factory.func)
        target = factory.args[0] if factory.args else factory.func
        kind = CONTAINER_CALLS.get(_last(target), "")
        bound = _bound(factory, name, kind)
        return kind, "", bound, False, 0, ""
    name = _last(factory) if factory is not None else ""
    return CONTAINER_CALLS.get(name, ""), "", "", name in WEAK_CALLS, 0, ""


def _bound(node: ast.Call, name: str, kind: str) -> str:
    if kind == "deque":
        limit = _keyword(node, "maxlen") or (node.args[1] if len(node.args) > 1 else None)
        if limit is not None and not (isinstance(limit, ast.Constant) and limit.value is None):
            return f"deque with maxlen={short_text(limit)}"
    if kind == "queue" and name != "SimpleQueue":
        limit = _keyword(node, "maxsize") or (node.args[0] if node.args else None)
        if limit is not None and not (isinstance(limit, ast.Constant) and limit.value in (0, None, -1)):
            return f"queue with maxsize={short_text(limit)}"
    return ""


def _inner(node: ast.AST) -> str:
    if isinstance(node, ast.Lambda):
        body = node.body
        if is_container(body):
            return describe(body)[0] or "object"
        return _last(body.func) if isinstance(body, ast.Call) else "value"
    name = _last(node)
    if name in LOCK_CALLS:
        return name
    return CONTAINER_CALLS.get(name, name)


def _keyword(node: ast.Call, *names: str) -> ast.AST | None:
    for keyword in node.keywords:
        if keyword.arg in names:
            return keyword.value
    return None


def _is_empty_literal(node: ast.AST) -> bool:
    return isinstance(node, (ast.List, ast.Tuple)) and not node.elts


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _last(node.value)
    return dotted(node).rpartition(".")[2]
