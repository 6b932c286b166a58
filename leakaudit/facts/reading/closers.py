"""Small questions about calls that end something, and tests that say whether there is something to end."""

from __future__ import annotations

import ast
import builtins

from leakaudit.facts.answers import words
from leakaudit.facts.resources import CLOSERS, CLOSING_WORDS, HARMLESS, SAYING

_LOGGERS = {"log", "logger", "logging", "_log", "_logger", "LOG", "LOGGER", "_LOGGER", "warnings"}


def name_of(call: ast.Call) -> str:
    """Return the last part of a callee's name, "" for one without."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_closer(name: str) -> bool:
    """Tell by its name whether a function ends what it is called on or given."""
    return name in CLOSERS or bool(set(words(name)) & CLOSING_WORDS)


def is_ending(name: str) -> bool:
    """Tell by its name whether a method ends its object, or the part of it that has to be ended: `close_socket`."""
    return name in CLOSERS or bool({"close", "aclose", "shutdown"} & set(words(name)[:1]))


def is_harmless(name: str) -> bool:
    """Tell by its name whether a callee does not raise in practice; a constructor hardly ever does."""
    return name in HARMLESS or name.lstrip("_")[:1].isupper() or SAYING.match(name) is not None


def is_logger(func: ast.expr) -> bool:
    """Tell by its names whether a callee is a logger's method, which does not raise."""
    root = func
    while isinstance(root, (ast.Attribute, ast.Call)):
        root = root.value if isinstance(root, ast.Attribute) else root.func
    holder = func.value if isinstance(func, ast.Attribute) else None
    names = {getattr(root, "id", ""), getattr(holder, "attr", "")}
    return bool(names & _LOGGERS)


def passes_by(name: str, node: ast.Try | None) -> bool:
    """Tell whether no handler of a `try` catches an exception class of that name: all are for built-in ones, and it is none."""
    if node is None or not name or hasattr(builtins, name) or not node.handlers:
        return False
    for handler in node.handlers:
        types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if not all(isinstance(t, (ast.Name, ast.Attribute)) and _is_special(t) for t in types):
            return False
    return True


def _is_special(node: ast.expr) -> bool:
    """Whether an expression means a built-in exception that few classes derive from."""
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    if isinstance(node, ast.Attribute):
        return (getattr(node.value, "id", ""), name) in (
            ("socket", "error"),
            ("socket", "timeout"),
            ("os", "error"),
        )
    return hasattr(builtins, name) and name not in ("Exception", "BaseException", "RuntimeError")


def narrow(test: ast.expr, names: set[str]) -> tuple[str, str]:
    """Return what a test says about the local in its two branches: "none", "some" or ""."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yes, no = narrow(test.operand, names)
        return no, yes
    if isinstance(test, ast.Name) and test.id in names:
        return "some", "none"
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return next((("some", "") for value in test.values if narrow(value, names)[0] == "some"), ("", ""))
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id in names:
        right = test.comparators[0]
        if isinstance(right, ast.Constant) and right.value is None:
            same = isinstance(test.ops[0], (ast.Is, ast.Eq))
            return ("none", "some") if same else ("some", "none")
    return "", ""


def closes_each(names: set[str], node: ast.For | ast.AsyncFor) -> bool:
    """Tell whether a loop runs over a container that holds it and closes every element."""
    if not any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(node.iter)):
        return False
    targets = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
    return any(
        isinstance(part, ast.Call)
        and is_closer(name_of(part))
        and any(isinstance(n, ast.Name) and n.id in targets for n in ast.walk(part))
        for statement in node.body
        for part in ast.walk(statement)
    )
