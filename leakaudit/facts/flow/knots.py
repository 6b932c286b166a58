"""Objects that an assignment ties to themselves: `self.f = self.m`, `span.root = span`, `f.get = partial(wrap, f.get)`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

from leakaudit.facts.model import Knot, Op
from leakaudit.facts.reading.expressions import access_path, position
from leakaudit.facts.reading.frame import Frame, owner_of, scope_of

_DISPLAYS = (ast.Tuple, ast.List, ast.Set, ast.Dict)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)
_HOLDERS = frozenset(
    (ast.Name, ast.Attribute, ast.Lambda, ast.Call, ast.BoolOp, ast.IfExp, *_DISPLAYS, *_COMPREHENSIONS)
)
#: What is given to these is kept, but not held.
_WEAK = frozenset(("ref", "proxy", "WeakMethod"))
#: Mappings that make what is missing by a function that they are given.
_FILLED = re.compile(r"^(?!dict$|map$|(?i:.*weak))(?i:.*)(?:dict|map|mapping|Dict|Map|Mapping)$")
#: Decorators of properties that keep their first value.
_ONCE = re.compile(r"(cached|memoi[sz]ed|lazy)_?(property|attribute)|(^|\.)reify$", re.IGNORECASE)
_LOCAL_HOPS = 2
Found = tuple[str, str]
Walked = tuple[Frame, ast.AST, tuple[str, ...], str]


def knots(frames: Sequence[Frame], functions: Sequence[Walked], imports: dict[str, str]) -> Iterator[Knot]:
    """Yield the stores whose value holds the object that it is stored on."""
    inner = _Inner(functions)
    for frame in frames:
        if frame.kind != "function":
            continue
        for path, value, node in frame.stores:
            if value.__class__ not in _HOLDERS:
                continue
            base, _, attribute = path.rpartition(".")
            if value.__class__ is ast.Name and value.id in frame.params and value.id != base:
                continue  # `self.x = x`, what most stores are
            found = _Holding(frame, base, attribute, inner).of(value) if base and "[" not in base else None
            if found is not None and _is_object(frame, base) and not _unpacks(node, value):
                owner = owner_of(frame, path, imports, hops=0)
                yield Knot(
                    owner,
                    base,
                    *found,
                    *position(node)[:2],
                    frame.index,
                    _always(functions[frame.index], node),
                )
        yield from _grown(frame, inner, imports)
        yield from _remembered(frame, functions[frame.index], inner, imports)


def _always(function: Walked, node: ast.AST) -> bool:
    """No condition or loop is around the statement."""
    body = function[1].body  # type: ignore[attr-defined]
    return isinstance(body, list) and node in body


def _remembered(frame: Frame, function: Walked, inner: _Inner, imports: dict[str, str]) -> Iterator[Knot]:
    """What a property that is computed once returns is stored on the instance, as by `self.name = ...`."""
    if len(frame.params) != 1 or not any(_ONCE.search(name) for name in function[2]):
        return
    base, name = next(iter(frame.params)), frame.qualname.rpartition(".")[2]
    for value in frame.returns:
        found = _Holding(frame, base, name, inner).of(value)
        if found is not None and (found[0] == "filled" or found == ("container", "itself")):
            owner = owner_of(frame, f"{base}.{name}", imports, hops=0)
            yield Knot(owner, base, *found, *position(value)[:2], frame.index)


def _grown(frame: Frame, inner: _Inner, imports: dict[str, str]) -> Iterator[Knot]:
    """`context.parts.append((context, part))`, `self.refs.add(ref(item, self.gone))`."""
    for event in frame.events:
        value = event.value
        if event.op is not Op.GROW or not isinstance(value, (ast.Call, *_DISPLAYS)):
            continue
        base, _, attribute = event.path.rpartition(".")
        if not base or "[" in event.path or not _is_object(frame, base):
            continue
        found = _Holding(frame, base, attribute, inner).of(value)
        if found == ("container", "itself"):
            found = "grown", "itself"
        elif found is None or found[0] != "callback":
            continue
        yield Knot(
            owner_of(frame, event.path, imports, hops=0), base, *found, *position(event.node)[:2], frame.index
        )


def _unpacks(node: ast.AST, value: ast.AST) -> bool:
    """`self.a, self.b = made()`: what is stored is a part of the value."""
    return (
        isinstance(node, ast.Assign)
        and node.value is value
        and any(isinstance(target, (ast.Tuple, ast.List)) for target in node.targets)
    )


def _is_object(frame: Frame, base: str) -> bool:
    """An instance in a variable: no class, no module, nothing global."""
    root = base.partition(".")[0]
    scope = scope_of(frame, root)
    return (
        scope is not None
        and scope.kind == "function"
        and root != scope.cls_name
        and root not in scope.classes
    )


def _entries(node: Any) -> list[ast.AST]:
    """The values of a display; `{**self}` and `[*self]` copy entries and hold no `self`."""
    if isinstance(node, ast.Dict):
        return [value for key, value in zip(node.keys, node.values) if key is not None]
    return list(node.elts)


def _unwrapped(node: ast.expr) -> ast.expr:
    """`portable(self.method)`: most of what is made of one function holds it, unless it says that it is weak."""
    if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
        return node
    func = node.func
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    return node if "weak" in name.lower() or name in _WEAK else node.args[0]


class _Inner:
    """The nested functions and lambdas of a file, by their nodes and indices."""

    def __init__(self, functions: Sequence[Walked]) -> None:
        self._functions = functions
        self._by_node: dict[ast.AST, Frame] = {}

    def of_lambda(self, node: ast.Lambda) -> Frame:
        if not self._by_node:
            self._by_node = {entry[1]: entry[0] for entry in self._functions}
        return self._by_node[node]

    def of_index(self, index: int) -> Frame:
        frame: Frame = self._functions[index][0]
        return frame


class _Holding:
    """Tells how a value holds `base`, whose `attribute` it is stored in."""

    def __init__(self, frame: Frame, base: str, attribute: str, inner: _Inner) -> None:
        self._frame = frame
        self._base = base
        self._attribute = attribute
        self._inner = inner

    def of(self, node: ast.AST, hops: int = _LOCAL_HOPS) -> Found | None:
        kind = node.__class__
        if kind is ast.Name:
            return self._name(node.id, hops)  # type: ignore[attr-defined]
        if kind is ast.Attribute:
            owned = access_path(node.value) == self._base  # type: ignore[attr-defined]
            return ("method", node.attr) if owned else None  # type: ignore[attr-defined]
        if kind is ast.Lambda:
            frame = self._inner.of_lambda(node)  # type: ignore[arg-type]
            return ("closure", "<lambda>") if self._base in frame.free else None
        if kind is ast.Call:
            return self._call(node, hops)  # type: ignore[arg-type]
        if kind is ast.BoolOp:
            return self._first(node.values, hops)  # type: ignore[attr-defined]
        if kind is ast.IfExp:
            return self._first((node.body, node.orelse), hops)  # type: ignore[attr-defined]
        if kind in _COMPREHENSIONS:
            element = node.value if kind is ast.DictComp else node.elt  # type: ignore[attr-defined]
            found = self.of(element, hops)
            return found if found is not None and found[0] == "callback" else None
        if kind in _DISPLAYS:
            found = self._first(_entries(node), hops)
            return found if found is None or found[0] == "callback" else ("container", found[0])
        return None

    def _first(self, nodes: Sequence[ast.AST], hops: int) -> Found | None:
        return next((found for node in nodes if (found := self.of(node, hops)) is not None), None)

    def _name(self, name: str, hops: int) -> Found | None:
        if name == self._base:
            return "itself", name
        frame = self._frame
        if name in frame.functions:
            captured = self._base in self._inner.of_index(frame.functions[name]).free
            return ("closure", name) if captured else None
        known = frame.definitions.get(name, [])
        if not hops or len(known) != 1 or name in frame.params or name in frame.loops or self._rebound():
            return None
        return self.of(known[0], hops - 1)

    def _rebound(self) -> bool:
        """`cause = error`, and then `error = Other()`: what the name meant before is another object."""
        base, frame = self._base, self._frame
        return len(frame.definitions.get(base, ())) + (base in frame.params) + (base in frame.loops) > 1

    def _call(self, node: ast.Call, hops: int) -> Found | None:
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        given: list[ast.AST] = [*node.args, *(keyword.value for keyword in node.keywords)]
        if name in _WEAK:
            found = self._first(given[1:], hops)
            return ("callback", found[1]) if found is not None and found[0] != "itself" else None
        if name == "partial":
            found = self._first(given, hops)
            return ("partial", found[1]) if found is not None else None
        if isinstance(func, ast.Attribute) and access_path(func.value) == self._base:
            return "made", func.attr
        if node.args and _FILLED.match(name):
            found = self.of(_unwrapped(node.args[0]), hops)
            return ("filled", found[1]) if found is not None and found[0] == "method" else None
        replaced = any(
            isinstance(part, ast.Attribute)
            and part.attr == self._attribute
            and access_path(part.value) == self._base
            for part in given
        )
        return ("wrapped", name) if replaced else None
