"""Functions, lambdas and classes: the scopes."""

from __future__ import annotations

import ast
from typing import Any

from leakaudit.facts.model import Class, Flag
from leakaudit.facts.reading.expressions import access_path, annotation_text, defaults_of, dotted, short_text
from leakaudit.facts.reading.frame import Frame
from leakaudit.facts.reading.walking.flow import Flow
from leakaudit.facts.tables import CLEAR_METHODS, GROW_METHODS, SHRINK_METHODS

_CHANGING = frozenset(SHRINK_METHODS | CLEAR_METHODS | set(GROW_METHODS))


class Definitions(Flow):
    """Visits what opens a scope."""

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer = self.frame
        name = node.name
        decorators = self._decorators(node)
        outer.bound.add(name)
        outer.functions[name] = len(self.functions)
        arguments = node.args
        methods = self._defaults(arguments) if arguments.defaults or arguments.kw_defaults else {}
        kind = _function_kind(name, decorators)
        frame = self._function_frame(node, _qualname(outer, name), kind, decorators)
        if outer.kind == "class":
            self._bind_self(frame, arguments, kind, name)
        if methods:
            frame.bound_methods.update(methods)
        guards, self.guards = self.guards, ()
        flags, self.flags = self.flags, 0
        usage, self.usage = self.usage, ""
        self._enter(frame)
        self.block(node.body)
        self._leave(frame, outer)
        self.guards, self.flags, self.usage = guards, flags, usage

    visit_AsyncFunctionDef = visit_FunctionDef

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[str, ...]:
        if not node.decorator_list:
            return ()
        before, self.flags = self.flags, self.flags | Flag.DECORATOR
        for decorator in node.decorator_list:
            self.expression(decorator, f"decorator:{node.name}")
        self.flags = before
        return tuple(dotted(d) or "?" for d in node.decorator_list)

    def _defaults(self, arguments: ast.arguments) -> dict[str, ast.Attribute]:
        """Visit the defaults; return the parameters whose default is a container's bound method (`drop=seen.discard`)."""
        methods: dict[str, ast.Attribute] = {}
        for name, default in defaults_of(arguments):
            if isinstance(default, ast.Attribute) and default.attr in _CHANGING:
                methods[name] = default
            else:
                self.visit(default)
        return methods

    def visit_Lambda(self, node: ast.Lambda) -> None:
        outer = self.frame
        arguments = node.args
        self._visit_all(arguments.defaults)
        self._visit_all(filter(None, arguments.kw_defaults))
        frame = self._function_frame(node, _join(outer.qualname, "<lambda>"), "", ())
        guards, self.guards = self.guards, ()
        flags, self.flags = self.flags, 0
        frame.returns.append(node.body)
        self._enter(frame)
        self.expression(node.body, "return")
        self._leave(frame, outer)
        self.guards, self.flags = guards, flags

    def _function_frame(self, node: Any, qualname: str, kind: str, decorators: tuple[str, ...]) -> Frame:
        outer = self.frame
        arguments: ast.arguments = node.args
        every = _all_arguments(arguments)
        names = [argument.arg for argument in every]
        frame = Frame(
            qualname,
            "function",
            len(self.functions),
            outer.cls if outer.kind == "class" else "",
            outer,
            params=frozenset(names),
            bound=set(names),
            nested=outer.nested or outer.kind == "function",
        )
        for argument in every:
            if argument.annotation is not None:
                frame.annotations[argument.arg] = annotation_text(argument.annotation)
        if arguments.defaults:
            for argument, default in zip(
                reversed((*arguments.posonlyargs, *arguments.args)), reversed(arguments.defaults)
            ):
                if type(default) is ast.Attribute:  # `lambda done, tasks=self.tasks: tasks.discard(done)`
                    frame.aliases[argument.arg] = access_path(default)
        self.functions.append((frame, node, decorators, kind))
        self.frames.append(frame)
        return frame

    def _bind_self(self, frame: Frame, arguments: ast.arguments, kind: str, name: str) -> None:
        first = (arguments.posonlyargs or arguments.args)[:1]
        if first and kind != "static":
            if kind == "class" or name == "__new__":
                frame.cls_name = first[0].arg
            else:
                frame.self_name = first[0].arg

    def _enter(self, frame: Frame) -> None:
        self.frame = frame
        self._table = self.nested if frame.nested else self.plain

    def _leave(self, frame: Frame, outer: Frame) -> None:
        self._enter(outer)
        if frame.nested:
            frame.free = frozenset(n for n in frame.loads | frame.taken if not frame.is_local(n))
            outer.taken |= frame.free

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer = self.frame
        decorators = self._decorators(node)
        self._visit_all(node.bases)
        self._visit_all(keyword.value for keyword in node.keywords)
        outer.bound.add(node.name)
        outer.classes |= {node.name}
        qualname = _qualname(outer, node.name)
        nested = outer.nested or outer.kind == "function"
        frame = Frame(qualname, "class", outer.index, qualname, outer, nested=nested)
        self.frames.append(frame)
        guards, self.guards = self.guards, ()
        self._enter(frame)
        self.block(node.body)
        self._leave(frame, outer)
        self.guards = guards
        taken = (
            sorted(n for n in frame.loads if outer.is_local(n) and not frame.is_local(n)) if nested else ()
        )
        self.classes.append(_class(node, qualname, decorators, outer.index, tuple(taken)))


def _qualname(outer: Frame, name: str) -> str:
    return f"{outer.qualname}.<locals>.{name}" if outer.kind == "function" else _join(outer.qualname, name)


def _function_kind(name: str, decorators: tuple[str, ...]) -> str:
    if decorators:
        if any(d.endswith("property") for d in decorators):
            return "property"
        if "staticmethod" in decorators:
            return "static"
        if "classmethod" in decorators:
            return "class"
    return "class" if name in ("__init_subclass__", "__class_getitem__") else ""


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = arguments.args
    if arguments.posonlyargs or arguments.kwonlyargs:
        found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    extra = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return found + extra if extra else found


def _class(
    node: ast.ClassDef, qualname: str, decorators: tuple[str, ...], func: int, captures: tuple[str, ...]
) -> Class:
    body = node.body
    return Class(
        qualname,
        node.lineno,
        node.end_lineno or node.lineno,
        tuple(filter(None, (dotted(b).replace(".[]", "").replace("[]", "") for b in node.bases))),
        decorators,
        tuple(n.name for n in body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))),
        func,
        tuple(f"{k.arg}={short_text(k.value)}" for k in node.keywords),
        tuple(t.id for n in body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)),
        node.col_offset + 1,
        captures,
    )


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
