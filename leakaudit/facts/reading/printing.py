"""Print expressions as source text, as ast.unparse does but some ten times faster."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

# How tightly Python binds, loosest first; an expression that binds less than its place asks for gets parentheses.
_TUPLE, _YIELD, _TEST, _OR, _AND, _NOT, _COMPARE, _BITOR, _BITXOR, _BITAND = range(2, 12)
_SHIFT, _SUM, _TERM, _SIGN, _POWER, _AWAIT, _ATOM = range(12, 19)

_INFINITY = "1e309"
#: Elements printed of a literal or a call: enough for the 128 characters that are promised.
_ELEMENTS = 64
_BINARY: dict[type, tuple[str, int]] = {
    ast.Add: (" + ", _SUM),
    ast.Sub: (" - ", _SUM),
    ast.Mult: (" * ", _TERM),
    ast.MatMult: (" @ ", _TERM),
    ast.Div: (" / ", _TERM),
    ast.Mod: (" % ", _TERM),
    ast.FloorDiv: (" // ", _TERM),
    ast.LShift: (" << ", _SHIFT),
    ast.RShift: (" >> ", _SHIFT),
    ast.BitOr: (" | ", _BITOR),
    ast.BitXor: (" ^ ", _BITXOR),
    ast.BitAnd: (" & ", _BITAND),
    ast.Pow: (" ** ", _POWER),
}
_UNARY: dict[type, tuple[str, int]] = {
    ast.Not: ("not ", _NOT),
    ast.UAdd: ("+", _SIGN),
    ast.USub: ("-", _SIGN),
    ast.Invert: ("~", _SIGN),
}
_COMPARISONS: dict[type, str] = {
    ast.Eq: " == ",
    ast.NotEq: " != ",
    ast.Lt: " < ",
    ast.LtE: " <= ",
    ast.Gt: " > ",
    ast.GtE: " >= ",
    ast.Is: " is ",
    ast.IsNot: " is not ",
    ast.In: " in ",
    ast.NotIn: " not in ",
}


def source_text(node: ast.AST) -> str:
    """Return an expression as source text, whole or at least its first 128 characters; raises RecursionError."""
    try:
        return _text(node)
    except (
        KeyError
    ):  # f-strings, whose quoting differs from one Python to the next, and what is no expression
        return ast.unparse(node)


def _text(node: Any, level: int = _TEST) -> str:
    kind = type(node)
    if kind is ast.Name:
        return node.id  # type: ignore[no-any-return]
    if kind is ast.Attribute:
        value = node.value
        if type(value) is ast.Constant and isinstance(value.value, int):
            return f"{_text(value)} .{node.attr}"
        return f"{_text(value, _ATOM)}.{node.attr}"
    closed = _CLOSED.get(kind)
    return closed(node) if closed is not None else _OPEN[kind](node, level)


def _parted(text: str, binds: int, level: int) -> str:
    return f"({text})" if level > binds else text


def _constant(node: Any) -> str:
    value = node.value
    if value is ...:
        return "..."
    text = repr(value)
    if type(value) is float or type(value) is complex:
        return text.replace("inf", _INFINITY)
    return f"u{text}" if node.kind else text


def _call(node: Any) -> str:
    return f"{_text(node.func, _ATOM)}({', '.join(map(_text, (*node.args[:_ELEMENTS], *node.keywords[:_ELEMENTS])))})"


def _keyword(node: Any) -> str:
    return f"{node.arg}={_text(node.value)}" if node.arg is not None else f"**{_text(node.value)}"


def _subscript(node: Any) -> str:
    inside = node.slice
    if type(inside) is ast.Tuple and inside.elts:
        return f"{_text(node.value, _ATOM)}[{_items(inside.elts)}]"
    return f"{_text(node.value, _ATOM)}[{_text(inside)}]"


def _slice(node: Any) -> str:
    parts = ["" if part is None else _text(part) for part in (node.lower, node.upper)]
    return ":".join(parts if node.step is None else [*parts, _text(node.step)])


def _items(elements: list[ast.expr]) -> str:
    return f"{_text(elements[0])}," if len(elements) == 1 else ", ".join(map(_text, elements[:_ELEMENTS]))


def _tuple(node: Any, level: int) -> str:
    return _parted(_items(node.elts), _TUPLE, level) if node.elts else "()"


def _list(node: Any) -> str:
    return f"[{', '.join(map(_text, node.elts[:_ELEMENTS]))}]"


def _set(node: Any) -> str:
    return f"{{{', '.join(map(_text, node.elts[:_ELEMENTS]))}}}" if node.elts else "{*()}"


def _dict(node: Any) -> str:
    pairs = zip(node.keys[:_ELEMENTS], node.values)
    return f"{{{', '.join(f'**{_text(v, _BITOR)}' if k is None else f'{_text(k)}: {_text(v)}' for k, v in pairs)}}}"


def _starred(node: Any) -> str:
    return f"*{_text(node.value, _BITOR)}"


def _unary(node: Any, level: int) -> str:
    sign, binds = _UNARY[type(node.op)]
    return _parted(sign + _text(node.operand, binds), binds, level)


def _binary(node: Any, level: int) -> str:
    sign, binds = _BINARY[type(node.op)]
    left, right = (binds + 1, binds) if binds == _POWER else (binds, binds + 1)
    return _parted(_text(node.left, left) + sign + _text(node.right, right), binds, level)


def _compare(node: Any, level: int) -> str:
    text = _text(node.left, _COMPARE + 1)
    for operator, right in zip(node.ops, node.comparators):
        text += _COMPARISONS[type(operator)] + _text(right, _COMPARE + 1)
    return _parted(text, _COMPARE, level)


def _bool(node: Any, level: int) -> str:
    word, binds = (" and ", _AND) if type(node.op) is ast.And else (" or ", _OR)
    parts = [_text(part, min(binds + 1 + i, _ATOM)) for i, part in enumerate(node.values)]
    return _parted(word.join(parts), binds, level)


def _conditional(node: Any, level: int) -> str:
    text = f"{_text(node.body, _TEST + 1)} if {_text(node.test, _TEST + 1)} else {_text(node.orelse)}"
    return _parted(text, _TEST, level)


def _await(node: Any, level: int) -> str:
    return _parted(f"await {_text(node.value, _ATOM)}", _AWAIT, level)


def _yield(node: Any) -> str:
    return f"(yield {_text(node.value, _ATOM)})" if node.value is not None else "(yield)"


def _named(node: Any) -> str:
    return f"({_text(node.target, _ATOM)} := {_text(node.value, _ATOM)})"


def _lambda(node: Any, level: int) -> str:
    arguments = node.args
    if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
        return _parted(ast.unparse(node), _TEST, level)
    plain = len(arguments.args) - len(arguments.defaults)
    names = [a.arg for a in arguments.args[:plain]]
    names += [f"{a.arg}={_text(d)}" for a, d in zip(arguments.args[plain:], arguments.defaults)]
    return _parted(f"lambda{' ' if names else ''}{', '.join(names)}: {_text(node.body)}", _TEST, level)


def _generators(node: Any) -> str:
    return "".join(
        f" {'async for' if g.is_async else 'for'} {_text(g.target, _TUPLE)} in "
        + " if ".join(_text(part, _TEST + 1) for part in (g.iter, *g.ifs))
        for g in node.generators
    )


def _list_comprehension(node: Any) -> str:
    return f"[{_text(node.elt)}{_generators(node)}]"


def _set_comprehension(node: Any) -> str:
    return f"{{{_text(node.elt)}{_generators(node)}}}"


def _dict_comprehension(node: Any) -> str:
    return f"{{{_text(node.key)}: {_text(node.value)}{_generators(node)}}}"


def _generator(node: Any) -> str:
    return f"({_text(node.elt)}{_generators(node)})"


#: What needs no parentheses anywhere, and what may.
_CLOSED: dict[type, Callable[[Any], str]] = {
    ast.Constant: _constant,
    ast.Call: _call,
    ast.keyword: _keyword,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.List: _list,
    ast.Set: _set,
    ast.Dict: _dict,
    ast.Starred: _starred,
    ast.Yield: _yield,
    ast.NamedExpr: _named,
    ast.ListComp: _list_comprehension,
    ast.SetComp: _set_comprehension,
    ast.DictComp: _dict_comprehension,
    ast.GeneratorExp: _generator,
}
_OPEN: dict[type, Callable[[Any, int], str]] = {
    ast.Tuple: _tuple,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.BoolOp: _bool,
    ast.IfExp: _conditional,
    ast.Await: _await,
    ast.Lambda: _lambda,
}
