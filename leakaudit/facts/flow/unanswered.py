"""Entries for which a function waits until somebody else takes them out, and that stay when nobody does."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from leakaudit.facts.model import Abandoned, Op
from leakaudit.facts.reading.expressions import access_path, dotted
from leakaudit.facts.reading.frame import Frame, RawEvent, owner_of

_REMOVES = frozenset((Op.SHRINK, Op.CLEAR, Op.TRIM, Op.REBIND))
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_LASTING = ("i:", "c:", "m:")
_WAITS = frozenset(("wait_for", "wait", "result", "get", "fail_after", "with_timeout", "timeout"))
_HANDS_ON = frozenset(("add_done_callback", "addCallback", "addBoth", "addErrback", "addCallbacks"))


def unanswered(
    functions: Iterable[tuple[Frame, ast.AST, tuple[str, ...], str]], imports: dict[str, str]
) -> Iterator[Abandoned]:
    """Yield the waits whose time-out, or cancellation of the very task that is stored, leaves the entry in."""
    for frame, node, _, _ in functions:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        removed = {e.path for e in frame.events if e.op in _REMOVES}
        for event in frame.events:
            if (
                event.op != Op.GROW
                or event.path in removed
                or event.value is None
                or event.path.endswith("]")
            ):
                continue
            owner = owner_of(frame, event.path, imports)
            if not owner.startswith(_LASTING) or "[]" in owner:
                continue
            names = _names(event, frame)
            wait = _limited_wait(node, event, names) if names else None
            if wait is not None:
                yield Abandoned(owner, event.node.lineno, wait.lineno, "unanswered", frame.index)
            elif isinstance(node, ast.AsyncFunctionDef) and _is_running_task(event.key, frame):
                parked = _await_after(node, event)
                if parked is not None:
                    yield Abandoned(owner, event.node.lineno, parked.lineno, "cancelled", frame.index)


def _names(event: RawEvent, frame: Frame) -> frozenset[str]:
    """The locals that hold what is put in."""
    value = event.value
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    found = {part.id for part in parts if isinstance(part, ast.Name)}
    found.update(target.id for target in getattr(event.node, "targets", ()) if isinstance(target, ast.Name))
    return frozenset(found - frame.params)


def _is_running_task(key: ast.AST | None, frame: Frame) -> bool:
    """Whether an entry is stored under the task that runs."""
    known = frame.definitions.get(key.id, ()) if isinstance(key, ast.Name) else (key,)
    return any(
        isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] == "current_task"
        for value in known
    )


def _await_after(node: ast.AsyncFunctionDef, event: RawEvent) -> ast.Await | None:
    parts = list(_own_parts(node.body))
    later = (p for p in parts if isinstance(p, ast.Await) and p.lineno > event.node.lineno)
    first = min(later, key=lambda part: part.lineno, default=None)
    return None if first is None or _is_mended(parts, first) else first


def _limited_wait(
    node: ast.FunctionDef | ast.AsyncFunctionDef, event: RawEvent, names: frozenset[str]
) -> ast.Call | None:
    parts = list(_own_parts(node.body))
    wait = None
    for call in (part for part in parts if isinstance(part, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        holder = access_path(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        if name in _HANDS_ON and holder in names:
            return None
        if name in _WAITS and call.lineno > event.node.lineno and _is_limited(call, name, holder, names):
            wait = call
    return None if wait is None or _is_mended(parts, wait) else wait


def _is_limited(call: ast.Call, name: str, holder: str, names: frozenset[str]) -> bool:
    timed = any(k.arg and "timeout" in k.arg for k in call.keywords)
    if holder in names:
        return name in ("wait", "result", "get") and (timed or (bool(call.args) and name != "get"))
    given = {n.id for a in call.args for n in ast.walk(a) if isinstance(n, ast.Name)}
    return bool(given & names) and (timed or (name in ("wait_for", "with_timeout") and len(call.args) > 1))


def _is_mended(parts: list[ast.AST], wait: ast.expr) -> bool:
    """Whether a handler or `finally` around the wait calls something of its own, which may take the entry out."""
    for part in parts:
        if isinstance(part, ast.Try) and part.lineno < wait.lineno <= (part.body[-1].end_lineno or 0):
            bodies = [part.finalbody, *(h.body for h in part.handlers)]
            calls = (p for body in bodies for p in _own_parts(body) if isinstance(p, ast.Call))
            if any(access_path(call.func).startswith(("self.", "cls.")) for call in calls):
                return True
    return False


def _own_parts(body: list[ast.stmt]) -> Iterator[ast.AST]:
    todo: list[ast.AST] = list(body)
    while todo:
        part = todo.pop()
        if not isinstance(part, _DEFS):
            yield part
            todo.extend(ast.iter_child_nodes(part))
