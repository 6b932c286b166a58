"""Functions, and the calls that are remembered."""

from __future__ import annotations

import ast
from typing import Any

from leakaudit.facts.model import Call, Function, Op, Param
from leakaudit.facts.reading.expressions import annotation_text, defaults_of, dotted, short_text
from leakaudit.facts.reading.frame import Frame, RawCall, scope_of
from leakaudit.facts.reading.resolving.events import Events

_REMOVING = (Op.SHRINK, Op.CLEAR)


class Definitions(Events):
    """Resolves what functions take, call and return."""

    def _function(self, frame: Frame, node: Any, decorators: tuple[str, ...], kind: str) -> Function:
        parent = frame.parent
        return Function(
            frame.qualname,
            node.lineno,
            node.end_lineno or node.lineno,
            frame.cls,
            parent.index if parent is not None else -1,
            self._params(node.args),
            tuple([self._decorator(d, parent or frame) for d in decorators]) if decorators else (),
            tuple([d.lineno for d in node.decorator_list]) if decorators else (),
            type(node) is ast.AsyncFunctionDef,
            frame.generator,
            kind,
            frame.forever,
            tuple(sorted(self._callees(frame.call_names, frame))) if frame.call_names else (),
            self._references(frame) if frame.ref_names else (),
            self._returns(frame) if frame.returns else (),
            self._captures(frame) if frame.free else (),
            tuple([short_text(test) for test in frame.exits[:3]]) if frame.exits else (),
            node.col_offset + 1,
            tuple(sorted(self._callees(frame.loop_names, frame))) if frame.loop_names else (),
            frame.endless,
            tuple(
                sorted({raw.path for raw in frame.events if raw.op in _REMOVING and raw.path in frame.params})
            ),
            _dropped(frame) if frame.functions else (),
        )

    def _params(self, arguments: ast.arguments) -> tuple[Param, ...]:
        defaults = dict(defaults_of(arguments)) if arguments.defaults or arguments.kw_defaults else {}
        plain = self._plain_params
        found = [
            plain[a.arg]
            if a.annotation is None and a.arg in plain and a.arg not in defaults
            else self._param(a.arg, a.annotation, defaults.get(a.arg))
            for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        ]
        if arguments.vararg is not None:
            found.append(self._param(f"*{arguments.vararg.arg}", arguments.vararg.annotation, None))
        if arguments.kwarg is not None:
            found.append(self._param(f"**{arguments.kwarg.arg}", arguments.kwarg.annotation, None))
        return tuple(found)

    def _param(self, name: str, annotation: ast.expr | None, default: ast.expr | None) -> Param:
        if annotation is not None or default is not None:
            return Param(name, annotation_text(annotation), _default_word(default))
        if name not in self._plain_params:
            self._plain_params[name] = Param(name)
        return self._plain_params[name]

    def _references(self, frame: Frame) -> tuple[str, ...]:
        return tuple(sorted([n for n in self._callees(frame.ref_names, frame) if n[0] != "?"]))

    def _returns(self, frame: Frame) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for value in frame.returns[:6]:
            found.update(dict.fromkeys(self.origins.first(2, value, frame, 2)))
        return tuple(found)

    def _captures(self, frame: Frame) -> tuple[str, ...]:
        scopes = ((name, scope_of(frame, name)) for name in sorted(frame.free))
        return tuple(name for name, scope in scopes if scope is not None and scope.kind == "function")

    def _call(self, raw: RawCall, frame: Frame) -> Call:
        node = raw.node
        text = dotted(node.func)
        receiver = self.origins.of(node.func.value, frame, 2) if isinstance(node.func, ast.Attribute) else ()
        kept = raw.usage != "raise"  # what an exception is made of goes with it
        return Call(
            self._callee(text, frame) or f"?:{text.rpartition('.')[2]}",
            node.lineno,
            node.col_offset + 1,
            node.end_lineno or node.lineno,
            (node.end_col_offset or 0) + 1,
            raw.func,
            self._usage(raw.usage, frame),
            tuple([self._tags(a, frame) for a in node.args[:6]]) if kept else (),
            tuple([(k.arg or "**", self._tags(k.value, frame)) for k in node.keywords[:10]]) if kept else (),
            self._guards(raw.guards),
            raw.flags,
            receiver,
        )


def _dropped(frame: Frame) -> tuple[str, ...]:
    rebound = (
        name
        for name in frame.functions
        if name in frame.deleted
        or any(isinstance(v, ast.Constant) and v.value is None for v in frame.definitions.get(name, ()))
    )
    return tuple(sorted(rebound))


def _default_word(node: ast.expr | None) -> str:
    if node is None:
        return ""
    return short_text(node)[:20] if isinstance(node, ast.Constant) else type(node).__name__.lower()
