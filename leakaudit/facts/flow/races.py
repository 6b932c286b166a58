"""`asyncio.wait(..., FIRST_COMPLETED)` and what becomes of the tasks that did not come first."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from leakaudit.facts.model import Loser, Race
from leakaudit.facts.reading.expressions import dotted, position, short_text
from leakaudit.facts.reading.frame import Frame, RawCall, owner_of

_MAKERS = frozenset(
    "create_task ensure_future Task create_eager_task create_background_task async_create_task async_create_background_task run_in_executor".split()
)
_QUESTIONS = frozenset(
    "done result exception cancelled add_done_callback remove_done_callback set_name get_name get_coro print_stack".split()
)


class RawLoser(NamedTuple):
    """A task that was made for a race: its name or "", the call that makes it, its coroutine, and "no" or "conditional"."""

    name: str
    made: ast.Call
    coroutine: ast.expr | None
    cancelled: str


def races(
    functions: Iterable[tuple[Frame, ast.AST, tuple[str, ...], str]], imports: dict[str, str]
) -> Iterator[Race]:
    """Yield the races of a walked file that leave a task alone."""
    for frame, function, _, _ in functions:
        for raw in frame.calls:
            if raw.name != "wait":
                continue
            left = _losers(raw.node, function, frame)
            if left:
                flags = {id(c.node): c.flags for c in frame.calls}
                found = tuple(_resolved(x, frame, imports, flags.get(id(x.made), raw.flags)) for x in left)
                yield Race(*position(raw.node), raw.func, found, raw.flags)


def _resolved(raw: RawLoser, frame: Frame, imports: dict[str, str], flags: int) -> Loser:
    called = raw.coroutine.func if isinstance(raw.coroutine, ast.Call) else raw.coroutine
    text = dotted(called) if called is not None else ""
    plain = text if "(" not in text and "[" not in text else ""
    coroutine = owner_of(frame, plain, imports) or f"?:{text.rpartition('.')[2]}"
    return Loser(raw.name, *position(raw.made), coroutine, short_text(raw.coroutine), raw.cancelled, flags)


def _losers(call: ast.Call, function: ast.AST, frame: Frame) -> tuple[RawLoser, ...]:
    """Return the tasks made in `function` for this race that nothing cancels, awaits or hands on afterwards."""
    if not call.args or not _first_completed(call):
        return ()
    parents = {child: parent for parent in ast.walk(function) for child in ast.iter_child_nodes(parent)}
    if _handles_pending(call, function, parents):
        return ()
    contenders = list(_contenders(call.args[0], function, frame))
    names = {c.name for c in contenders if c.name}
    return tuple(c for c in (_fate(c, names, function, frame, parents) for c in contenders) if c is not None)


def _first_completed(call: ast.Call) -> bool:
    value = next((k.value for k in call.keywords if k.arg == "return_when"), None)
    name = value.attr if isinstance(value, ast.Attribute) else value.id if isinstance(value, ast.Name) else ""
    return name in ("FIRST_COMPLETED", "FIRST_EXCEPTION")


def _handles_pending(call: ast.Call, function: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the second half of the result, or the result as a whole, is looked at."""
    awaited = parents.get(call)
    statement = parents.get(awaited) if isinstance(awaited, ast.Await) else awaited
    if isinstance(statement, ast.Expr):
        return False
    if not isinstance(statement, ast.Assign):
        return True
    target = statement.targets[0]
    pending = target.elts[1] if isinstance(target, ast.Tuple) and len(target.elts) == 2 else target
    return not isinstance(pending, ast.Name) or _is_read(pending.id, function)


def _is_read(name: str, function: ast.AST) -> bool:
    return any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in ast.walk(function)
    )


def _contenders(argument: ast.expr, function: ast.AST, frame: Frame) -> Iterator[RawLoser]:
    if isinstance(argument, ast.Name):
        values = frame.definitions.get(argument.id, [])
        loads = [
            n
            for n in ast.walk(function)
            if isinstance(n, ast.Name) and n.id == argument.id and isinstance(n.ctx, ast.Load)
        ]
        if (
            len(values) != 1
            or len(loads) != 1
            or not isinstance(values[0], (ast.List, ast.Tuple, ast.Set, ast.ListComp))
        ):
            return
        argument = values[0]
    for element in (argument.elt,) if isinstance(argument, ast.ListComp) else getattr(argument, "elts", ()):
        if isinstance(element, ast.Name):
            values = frame.definitions.get(element.id, [])
            if len(values) == 1 and _makes_task(values[0]):
                yield _loser(element.id, values[0])
        elif _makes_task(element):
            yield _loser("", element)


def _makes_task(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    func = node.func
    if isinstance(func, ast.Attribute):
        holder = func.value.attr if isinstance(func.value, ast.Attribute) else getattr(func.value, "id", "")
        return func.attr in _MAKERS or (
            func.attr in ("create", "spawn", "start") and "task" in holder.lower()
        )
    return isinstance(func, ast.Name) and func.id in _MAKERS


def _loser(name: str, made: ast.AST) -> RawLoser:
    assert isinstance(made, ast.Call)
    calls = [a for a in made.args if isinstance(a, ast.Call)]
    return RawLoser(name, made, calls[0] if calls else (made.args[0] if made.args else None), "no")


def _fate(
    contender: RawLoser, names: set[str], function: ast.AST, frame: Frame, parents: dict[ast.AST, ast.AST]
) -> RawLoser | None:
    """Return the contender when it may be left running, else None."""
    if not contender.name:
        return contender
    loads = [
        n
        for n in ast.walk(function)
        if isinstance(n, ast.Name) and n.id == contender.name and isinstance(n.ctx, ast.Load)
    ]
    if any(_hands_on(n, parents) for n in loads):
        return None
    cancels = [raw for raw in frame.calls if _cancels(raw, contender.name)]
    if not cancels:
        return contender
    if all(_only_without_winner(raw, contender.name, names) for raw in cancels):
        return contender._replace(cancelled="conditional")
    return None


def _hands_on(load: ast.Name, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether this read of a task gives it to someone else, awaits it, or stops it another way than by `cancel()`."""
    parent = parents[load]
    if isinstance(parent, ast.Attribute):
        called = parents.get(parent)
        cancelled = parent.attr == "cancel" and isinstance(called, ast.Call) and called.func is parent
        return parent.attr not in _QUESTIONS and not cancelled
    if isinstance(parent, (ast.Compare, ast.UnaryOp, ast.BoolOp, ast.If, ast.IfExp, ast.While)):
        return False
    return not (isinstance(parent, (ast.List, ast.Tuple, ast.Set)) and _is_race(parents[parent]))


def _is_race(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign):
        return True  # the list that the race is given
    return isinstance(node, ast.Call) and _first_completed(node)


def _cancels(raw: RawCall, name: str) -> bool:
    func = raw.node.func
    return (
        isinstance(func, ast.Attribute)
        and func.attr == "cancel"
        and isinstance(func.value, ast.Name)
        and func.value.id == name
    )


def _only_without_winner(raw: RawCall, name: str, names: set[str]) -> bool:
    """`if not mine.done() and not other.done(): mine.cancel()` leaves mine running when the other came first."""
    for guard in raw.guards:
        for node in ast.walk(guard):
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                asked = node.operand
                if (
                    isinstance(asked, ast.Call)
                    and isinstance(asked.func, ast.Attribute)
                    and asked.func.attr == "done"
                ):
                    other = asked.func.value
                    if isinstance(other, ast.Name) and other.id in names - {name}:
                        return True
    return False
