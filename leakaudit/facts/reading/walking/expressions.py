"""Reads, calls and what they do to containers."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any

from leakaudit.facts.model import Flag, Op, Use
from leakaudit.facts.reading.expressions import access_path, dotted
from leakaudit.facts.reading.frame import RawCall
from leakaudit.facts.reading.walking.base import Walker
from leakaudit.facts.resources import PROVING, may_make
from leakaudit.facts.tables import CLEAR_METHODS, GROW_METHODS, INTERESTING_CALLS, QUEUE_TAKE, SHRINK_METHODS

_READ_METHODS = {
    "get": Use.GET,
    "items": Use.ITER,
    "values": Use.ITER,
    "keys": Use.ITER,
    "copy": Use.ITER,
    "index": Use.GET,
}
_CHANGING = frozenset(SHRINK_METHODS | CLEAR_METHODS | set(GROW_METHODS))
_CALLBACKS = frozenset(SHRINK_METHODS | CLEAR_METHODS | {"append", "add", "put", "put_nowait", "appendleft"})
_METHODS = frozenset(_CHANGING | QUEUE_TAKE | set(_READ_METHODS))
_HEAP_GROWTH = frozenset(("heappush", "heappushpop", "insort", "insort_left", "insort_right"))
_HELPERS = _HEAP_GROWTH | {"heappop", "setattr", "delattr"}
#: Functions that keep nothing of what they are given, nor give it to anybody.
_FORGETTING = frozenset(
    "isinstance issubclass hasattr callable len type id repr str int float bool hash print min max sum abs any all".split()
)
_FOREVER = Flag.FOREVER
_REMEMBERED = INTERESTING_CALLS | PROVING | {"cls", "partial", "writelines"}


class Expressions(Walker):
    """Visits expressions."""

    def visit_Name(self, node: ast.Name) -> None:
        self.frame.loads.add(node.id)

    def visit_Await(self, node: ast.Await) -> None:
        before, self.flags = self.flags, self.flags | Flag.AWAIT
        self.expression(node.value, f"await:{self.usage}")
        self.flags = before

    def visit_Yield(self, node: ast.Yield | ast.YieldFrom) -> None:
        self.frame.generator = True
        self.expression(node.value, "yield")

    visit_YieldFrom = visit_Yield

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _CALLBACKS:
            self._handed_on(node)
        handler = self._table[type(node.value)]
        if handler is not None:
            before, self.usage = self.usage, "receiver"
            handler(self, node.value)
            self.usage = before

    def _handed_on(self, node: ast.Attribute) -> None:
        """A method that changes a container, and that is not called here."""
        attr = node.attr
        if attr in CLEAR_METHODS:
            self.event(access_path(node.value), Op.CLEAR, attr, node, flags=Flag.CALLBACK)
        elif attr in SHRINK_METHODS:
            self.event(access_path(node.value), Op.SHRINK, attr, node, flags=Flag.CALLBACK)
        elif self.usage != "call":
            self.event(access_path(node.value), Op.GROW, attr, node, flags=Flag.CALLBACK)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        path = access_path(node.value)
        if path and isinstance(node.ctx, ast.Load):
            self.event(path, Op.READ_GROW, "[]", node, node.slice)
            self.frame.uses[path] = self.frame.uses.get(path, 0) | Use.INDEX
        self.expression(node.value, "receiver")
        self.visit(node.slice)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides: list[Any] = [node.left, *node.comparators]
        for operator, right in zip(node.ops, node.comparators):
            if type(operator) is ast.In or type(operator) is ast.NotIn:
                self.use(right, Use.IN)
        for side in sides:
            if type(side) is ast.Call:
                self._compared_call(side, node)
        before, self.usage = self.usage, ""
        self._visit_all(sides)
        self.usage = before

    def _compared_call(self, call: Any, node: ast.Compare) -> None:
        func = call.func
        if isinstance(func, ast.Name):
            if func.id == "len" and call.args:
                self.event(access_path(call.args[0]), Op.MEASURE, "len", node)
        elif isinstance(func, ast.Attribute) and func.attr in ("qsize", "full", "__len__"):
            self.event(access_path(func.value), Op.MEASURE, func.attr, node)

    def visit_Call(self, node: ast.Call) -> None:
        func: Any = node.func
        frame = self.frame
        usage = self.usage
        kind = type(func)
        if kind is ast.Attribute:
            name = func.attr
            if name in _METHODS:
                self._method_call(node, func)
            value = func.value
            if type(value) is ast.Name:
                text = f"{value.id}.{name}"
                if frame.nested:
                    frame.loads.add(value.id)
            else:
                text = dotted(func)
                self.expression(value, "receiver")
        elif kind is ast.Name:
            name = text = func.id
            if frame.nested:
                frame.loads.add(name)
            if name in frame.bound_methods:
                self._method_call(node, frame.bound_methods[name])
            if name == "len" and node.args:
                self.use(node.args[0], Use.LEN)
        else:
            name = ""
            text = dotted(func)
            self.expression(func, "call")
        if text:
            frame.call_names.add(text)
            if self.flags & _FOREVER:
                frame.loop_names |= {text}
        arguments: list[Any] = node.args
        if node.keywords:
            arguments = arguments + [keyword.value for keyword in node.keywords]
        if _is_remembered(name) or (
            arguments and name not in _FORGETTING and self._remember(arguments, name)
        ):
            frame.calls.append(RawCall(node, name, frame.index, usage, self.guards, self.flags))
        if arguments:
            self._arguments(arguments, text)
            if name in _HELPERS:
                self._helper_call(node, name)

    def _arguments(self, arguments: list[Any], callee: str) -> None:
        frame = self.frame
        uses = frame.uses
        table = self._table
        before = self.usage
        for argument in arguments:
            value: Any = argument.value if type(argument) is ast.Starred else argument
            kind = type(value)
            if kind is ast.Name:
                path = value.id
                frame.ref_names.add(path)
                uses[path] = uses.get(path, 0) | Use.PASS
            elif kind is ast.Attribute:
                text = dotted(value)
                if text:
                    frame.ref_names.add(text)
                self.use(value, Use.PASS)
            handler = table[kind]
            if handler is not None:
                self.usage = f"arg:{callee}"
                handler(self, value)
        self.usage = before

    def _remember(self, arguments: list[Any], name: str) -> bool:
        if len(arguments) > 1 and name in ("add", "record"):  # a sink or a measurement, no set
            return True
        for argument in arguments:
            kind = type(argument)
            if (
                (
                    kind is ast.Name
                    and (argument.id in self.frame.functions or argument.id == self.frame.self_name)
                )
                or kind is ast.Lambda
                or (kind is ast.Attribute and access_path(argument).startswith("self."))
            ):
                return True
        return False

    def _method_call(self, node: ast.Call, func: ast.Attribute) -> None:
        attr = func.attr
        path = access_path(func.value)
        arguments = node.args
        if attr in GROW_METHODS:
            key, value = _grow_parts(GROW_METHODS[attr], arguments, node.keywords)
            if key is None:
                key = _entry_key(func.value)
            self.event(path, Op.GROW, attr, node, key, value)
        elif attr in CLEAR_METHODS:
            self.event(path, Op.CLEAR, attr, node)
        elif attr in SHRINK_METHODS:
            keyed = arguments and attr != "popitem"  # what that is given says from which end
            self.event(path, Op.SHRINK, attr, node, arguments[0] if keyed else None)
        elif attr in QUEUE_TAKE and not arguments:
            self.event(path, Op.SHRINK, attr, node)
        if attr in _READ_METHODS and path:
            self.frame.uses[path] = self.frame.uses.get(path, 0) | _READ_METHODS[attr]

    def _helper_call(self, node: ast.Call, name: str) -> None:
        arguments = node.args
        if name in _HEAP_GROWTH and len(arguments) > 1:
            self.event(access_path(arguments[0]), Op.GROW, name, node, None, arguments[1])
        elif name == "heappop" and arguments:
            self.event(access_path(arguments[0]), Op.SHRINK, name, node)
        elif name in ("setattr", "delattr") and len(arguments) > 1 and isinstance(arguments[1], ast.Constant):
            base = access_path(arguments[0])
            if base and len(arguments) > 2:
                self.frame.stores.append((f"{base}.{arguments[1].value!s}", arguments[2], node))
            self.event(f"{base}.{arguments[1].value!s}" if base else "", Op.REBIND, name, node)


@lru_cache(maxsize=16384)
def _is_remembered(name: str) -> bool:
    """Decide by the last part of a callee; code bases use few different ones."""
    return (
        name in _REMEMBERED
        or name.startswith("register_")
        or name.endswith("_open")
        or name.lstrip("_")[:1].isupper()
        or may_make(name)
    )


def _entry_key(node: ast.AST) -> ast.AST | None:
    """The key of `d[key].append(...)` and `d.setdefault(key, []).append(...)`."""
    if isinstance(node, ast.Subscript):
        return None if isinstance(node.slice, ast.Slice) else node.slice
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.args
        and node.func.attr in ("get", "setdefault")
    ):
        return node.args[0]
    return None


def _grow_parts(
    what: str, arguments: list[ast.expr], keywords: list[ast.keyword]
) -> tuple[ast.AST | None, ast.AST | None]:
    if what == "key":
        return (arguments[0] if arguments else None), (arguments[1] if len(arguments) > 1 else None)
    if what == "second":
        return None, arguments[1] if len(arguments) > 1 else (arguments[0] if arguments else None)
    return None, arguments[0] if arguments else (keywords[0].value if keywords else None)
