"""Where a value comes from, in a few words: what a key or a stored value is made of.

Tags: const:TEXT, param:NAME:ANNOTATION, call:DOTTED, new:DOTTED, attr:TEXT, loop:TEXT, global:NAME, elem:TEXT, item:'KEY', fstr, id, type,
self, lambda, closure:QUALNAME, bound:OWNER, except (the exception itself), except-text (what is made
of it), with:DOTTED, literal:KIND, local:NAME.
"""

from __future__ import annotations

import ast

from leakaudit.facts.reading.expressions import access_path, dotted, short_text
from leakaudit.facts.reading.frame import Frame, imported, owner_of, scope_of

_LIMIT = 10
_DEPTH = 4
_SEE_THROUGH = {
    "str",
    "int",
    "float",
    "bytes",
    "tuple",
    "frozenset",
    "list",
    "set",
    "sorted",
    "dict",
    "cast",
    "copy",
    "deepcopy",
    "Path",
    "lower",
    "upper",
    "strip",
    "encode",
    "decode",
    "hexdigest",
    "digest",
    "format",
    "join",
    "hex",
    "ref",
    "proxy",
    "partial",
    "shield",
    "wraps",
    "strftime",
    "isoformat",
    "removeprefix",
    "rstrip",
    "lstrip",
    "normalize",
    "abspath",
    "realpath",
    "resolve",
    "md5",
    "sha1",
    "sha256",
    "hash",
    "repr",
    "json_dumps",
    "dumps",
    "fspath",
}
#: Calls and attributes through which an exception, with its traceback and frames, stays reachable.
_PASSES_ON = {"tuple", "list", "set", "frozenset", "sorted", "cast", "copy", "dict", "partial", "shield"}
_KEEPS_FRAMES = {"__traceback__", "__context__", "__cause__"}
_TYPE_ATTRIBUTES = {"__class__", "__name__", "__qualname__", "__module__"}


class Origins:
    """Answers origin questions for one file; `imports` resolves the roots of dotted names."""

    def __init__(self, imports: dict[str, str]) -> None:
        self._imports = imports
        self._limit = _LIMIT

    def of(self, node: ast.AST | None, frame: Frame, depth: int = _DEPTH) -> tuple[str, ...]:
        """Return the tags of `node`, most direct first, at most ten."""
        if node is None:
            return ()
        if not isinstance(node, ast.Name):
            return self._tags(node, frame, depth)
        key = (node.id, depth)
        if key not in frame.tags:
            frame.tags[key] = self._tags(node, frame, depth)
        return frame.tags[key]

    def _tags(self, node: ast.AST, frame: Frame, depth: int) -> tuple[str, ...]:
        found: list[str] = []
        self._collect(node, frame, depth, found)
        return tuple(found) if len(found) < 2 else tuple(dict.fromkeys(found))[:_LIMIT]

    def first(self, count: int, node: ast.AST, frame: Frame, depth: int) -> tuple[str, ...]:
        """Return the first tags of `node`."""
        self._limit = count
        found: list[str] = []
        self._collect(node, frame, depth, found)
        self._limit = _LIMIT
        if "except" in found or len(found) != len(set(found)):  # what comes later may matter
            return self.of(node, frame, depth)[:count]
        return tuple(found[:count])

    def _collect(self, node: ast.AST, frame: Frame, depth: int, found: list[str]) -> None:
        if len(found) >= self._limit:
            return
        kind = type(node)
        if kind is ast.Constant:
            found.append(f"const:{short_text(node)[:40]}")
        elif kind is ast.Name:
            self._name(node.id, frame, depth, found)  # type: ignore[attr-defined]
        elif kind is ast.Attribute:
            self._attribute(node, frame, depth, found)  # type: ignore[arg-type]
        elif kind is ast.Call:
            self._call(node, frame, depth, found)  # type: ignore[arg-type]
        elif kind is ast.Lambda:
            found.append("lambda")
        elif kind is ast.JoinedStr:
            found.append("fstr")
            start = len(found)
            for part in node.values:  # type: ignore[attr-defined]
                if isinstance(part, ast.FormattedValue):
                    self._collect(part.value, frame, depth, found)
            _without_exception(found, start)
        elif kind is ast.Subscript:
            found.append(f"elem:{short_text(node.value)}")  # type: ignore[attr-defined]
            self._collect(node.value, frame, depth - 1, found)  # type: ignore[attr-defined]
            if isinstance(node.slice, (ast.Name, ast.Attribute)):  # type: ignore[attr-defined]
                self._collect(node.slice, frame, depth - 1, found)  # type: ignore[attr-defined]
            elif isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):  # type: ignore[attr-defined]
                found.append(f"item:{node.slice.value!r}"[:40])  # type: ignore[attr-defined]
        elif kind in (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp):
            found.append(f"literal:{kind.__name__.lower()[:4].rstrip('c')}")
            self._children(node, frame, depth - 1, found)
        elif depth > 0:
            self._children(node, frame, depth - 1, found)

    def _children(self, node: ast.AST, frame: Frame, depth: int, found: list[str]) -> None:
        for name in node._fields:
            value = getattr(node, name)
            for child in value if type(value) is list else (value,):
                if isinstance(child, ast.expr):
                    self._collect(child, frame, depth, found)
                    if len(found) >= self._limit:
                        return

    def _name(self, name: str, frame: Frame, depth: int, found: list[str]) -> None:
        scope = scope_of(frame, name)
        if scope is None:
            found.append(f"global:{self._imports.get(name, name)}")
            return
        if scope.kind == "function":
            if name in (scope.self_name, scope.cls_name):
                found.append("self" if name == scope.self_name else "type")
            elif name in scope.functions:
                found.append(f"closure:{scope.qualname}.<locals>.{name}")
            elif name in scope.caught:
                found.append("except")
            elif name in scope.params and name not in scope.definitions:
                found.append(f"param:{name}:{scope.annotations.get(name, '')}")
            elif name in scope.loops:
                found.append(f"loop:{short_text(scope.loops[name])}")
                if depth > 1:
                    self._collect(scope.loops[name], scope, depth - 2, found)
            elif name in scope.withs:
                found.append(f"with:{short_text(scope.withs[name])}")
            elif name in scope.definitions and depth > 0:
                found.append(f"local:{name}")
                if name in scope.params:
                    found.append(f"param:{name}:{scope.annotations.get(name, '')}")
                for value in scope.definitions[name][:3]:
                    self._collect(value, scope, depth - 1, found)
            else:
                found.append(f"local:{name}")
        elif scope.kind == "module" and name in scope.functions:
            found.append(f"function:{name}")
        elif scope.kind == "module" and name in scope.classes:
            found.append(f"class:{name}")
        elif scope.kind == "module" and name in scope.loops:
            found.append(f"loop:{short_text(scope.loops[name])}")
        else:
            found.append(f"global:{self._imports.get(name, name)}")

    def _attribute(self, node: ast.Attribute, frame: Frame, depth: int, found: list[str]) -> None:
        if node.attr in _TYPE_ATTRIBUTES:
            found.append("type")
            return
        if type(node.value) is ast.Name:
            owner = owner_of(frame, access_path(node), self._imports)
            if owner.startswith("i:"):
                found.append(f"bound:{owner}")
        found.append(f"attr:{short_text(node)}")
        if depth > 0:
            start = len(found)
            self._collect(node.value, frame, depth - 1, found)
            if node.attr not in _KEEPS_FRAMES:
                _without_exception(found, start)

    def _call(self, node: ast.Call, frame: Frame, depth: int, found: list[str]) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "id" and isinstance(node.func, ast.Name):
            found.append("id")
            for argument in node.args:
                self._collect(argument, frame, depth - 1, found)
        elif name == "type" and len(node.args) == 1 and isinstance(node.func, ast.Name):
            found.append("type")
        elif name in _SEE_THROUGH:
            start = len(found)
            if name in (
                "str",
                "repr",
                "format",
                "hash",
                "dumps",
                "partial",
                "ref",
                "proxy",
                "deepcopy",
                "copy",
            ):
                found.append(f"call:{name}")
            for argument in (*node.args, *(k.value for k in node.keywords)):
                self._collect(argument, frame, depth, found)
            if isinstance(node.func, ast.Attribute):
                self._collect(node.func.value, frame, depth - 1, found)
            if name not in _PASSES_ON:
                _without_exception(found, start)
        else:
            text = dotted(node.func)
            if scope_of(frame, text.partition(".")[0]) is None:
                text = imported(text, self._imports)
            found.append(f"new:{text}" if name[:1].isupper() else f"call:{text or '?'}")
            if depth > 1:
                start = len(found)
                for argument in node.args[:3]:
                    self._collect(argument, frame, depth - 2, found)
                if isinstance(node.func, ast.Attribute):
                    self._collect(node.func.value, frame, depth - 2, found)
                if not name[:1].isupper() or name == "TracebackException":
                    _without_exception(found, start)


def _without_exception(found: list[str], start: int) -> None:
    """Mark that what follows `start` was made of an exception, but does not keep it."""
    for position in range(start, len(found)):
        if found[position] == "except":
            found[position] = "except-text"
