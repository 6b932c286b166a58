"""Frames that hold an exception by way of a future or a list, while its traceback holds the frame."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from leakaudit.facts.model import Flag, FrameCycle
from leakaudit.facts.reading.expressions import position
from leakaudit.facts.reading.frame import Frame

_GIVERS = frozenset(
    "set_exception set_exc_info future_set_exc_info future_set_exception future_set_exception_unless_cancelled errback".split()
)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def frame_cycles(
    functions: Iterable[tuple[Frame, ast.AST, tuple[str, ...], str]],
) -> Iterator[FrameCycle]:
    """Yield the locals of a walked file that hold an exception which was caught in their own frame."""
    for frame, function, _, _ in functions:
        if frame.caught or frame.tries:
            gives = any(name.rpartition(".")[2] in _GIVERS for name in frame.call_names)
            collects = any(e.method == "append" and e.flags & Flag.EXCEPT for e in frame.events)
            if gives or collects:
                nodes = list(_own(function))
                if not _drops_tracebacks(nodes):
                    let_go = frame.deleted | {*_cleared(nodes)}
                    yield from _given(nodes, frame, let_go)
                    yield from _collected(nodes, frame, let_go)


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """All that a function runs itself."""
    todo = list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop(0)
        yield node
        if not isinstance(node, _SCOPES):
            todo[:0] = ast.iter_child_nodes(node)


def _drops_tracebacks(nodes: Iterable[ast.AST]) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in ("with_traceback", "__traceback__", "clear_frames")
        for node in nodes
    )


def _cleared(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that are bound to None, and lists that are emptied."""
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is None:
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Attribute) and node.attr == "clear" and isinstance(node.value, ast.Name):
            yield node.value.id


def _given(nodes: list[ast.AST], frame: Frame, let_go: frozenset[str]) -> Iterator[FrameCycle]:
    """A future that this frame has made is given what the frame has caught."""
    for handler in nodes:
        if not isinstance(handler, ast.ExceptHandler):
            continue
        for call in _own(handler):
            if isinstance(call, ast.Call) and _last(call) in _GIVERS and call.args:
                alone = isinstance(call.func, ast.Attribute) and len(call.args) == 1
                future = call.func.value if alone else call.args[0]  # type: ignore[attr-defined]
                name = _held(future, frame, let_go)
                made = any(isinstance(value, ast.Call) for value in frame.definitions.get(name, ()))
                if made and _is_caught(call.args[-1], handler):
                    yield FrameCycle(name, *position(call)[:2], frame.index, "future")


def _is_caught(node: ast.expr, handler: ast.ExceptHandler) -> bool:
    if isinstance(node, ast.Name):
        return node.id == handler.name
    return isinstance(node, ast.Call) and _last(node) == "exc_info"


def _held(node: ast.AST, frame: Frame, let_go: frozenset[str]) -> str:
    """The name, if it is one of this frame that nothing unbinds, else ""."""
    name = node.id if isinstance(node, ast.Name) else ""
    own = name not in (*let_go, frame.self_name, frame.cls_name) and frame.is_local(name)
    return name if own else ""


def _collected(nodes: list[ast.AST], frame: Frame, let_go: frozenset[str]) -> Iterator[FrameCycle]:
    """A list of this frame collects what the frame has caught, and the frame raises of it."""
    lists: dict[str, None] = {}  # in the order of the text
    for handler in nodes:
        if isinstance(handler, ast.ExceptHandler) and handler.name:
            for call in _own(handler):
                if isinstance(call, ast.Call) and _last(call) == "append" and _puts(call, handler.name):
                    collecting = _held(call.func.value, frame, let_go)  # type: ignore[attr-defined]
                    if collecting:
                        lists[collecting] = None
    for name in lists:
        raised = next(
            (node for node in nodes if isinstance(node, ast.Raise) and _tells(node, name, nodes)), None
        )
        if raised is not None:
            yield FrameCycle(name, *position(raised)[:2], frame.index, "list")


def _puts(call: ast.Call, name: str) -> bool:
    """Whether the exception itself goes in, alone or in a tuple."""
    value = call.args[0] if call.args else None
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return isinstance(call.func, ast.Attribute) and any(_names(part, name) for part in parts)


def _tells(node: ast.Raise, name: str, nodes: list[ast.AST]) -> bool:
    """Whether what is raised, or its cause, is of the list or made of it."""
    made = {
        target.id
        for n in nodes
        if isinstance(n, ast.Assign) and _mentions(n.value, {name})
        for target in n.targets
        if isinstance(target, ast.Name)
    }
    return any(_mentions(part, made | {name}) for part in (node.exc, node.cause) if part is not None)


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


def _names(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _last(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
