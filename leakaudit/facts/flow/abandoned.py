"""Entries that a function puts in and takes out, but leaves in on one of its ways out."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from leakaudit.facts.model import Abandoned, Op
from leakaudit.facts.reading.expressions import access_path, short_text
from leakaudit.facts.reading.frame import Frame, RawEvent, owner_of

_OUT, _IN = 1, 2
_REMOVES = frozenset((Op.SHRINK, Op.CLEAR, Op.TRIM, Op.REBIND))
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_BY_VALUE = frozenset(("append", "add", "appendleft", "insert"))
_LASTING = ("i:", "c:", "m:")
_BROAD = frozenset("BaseException CancelledError Cancelled".split())


def abandoned(
    functions: Iterable[tuple[Frame, ast.AST, tuple[str, ...], str]], imports: dict[str, str]
) -> Iterator[Abandoned]:
    """Yield one way out per function and container that leaves an entry where the others take it out."""
    for frame, node, _, _ in functions:
        grown = {e.path for e in frame.events if e.op == Op.GROW and not e.path.endswith("]")}
        for path in sorted(grown & {e.path for e in frame.events if e.op in _REMOVES}):
            owner = owner_of(frame, path, imports)
            if (
                owner.startswith(_LASTING)
                and "[]" not in owner
                and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            ):
                events = _same_entry([e for e in frame.events if e.path == path])
                found = _Ways(path, events).worst(node) if events else None
                if found is not None:
                    grow, way = found
                    yield Abandoned(owner, grow.node.lineno, way.line, way.how, frame.index)


def _same_entry(events: list[RawEvent]) -> list[RawEvent]:
    """The additions of an entry that is taken out by the same key or value, and all removals; [] for none."""
    taken = {_entry(e) for e in events if e.op == Op.SHRINK} - {""}
    added = [e for e in events if e.op == Op.GROW and _entry(e) in taken]
    return [e for e in events if e in added or e.op in _REMOVES] if added else []


def _entry(event: RawEvent) -> str:
    """The key or value that tells an entry from the others, as text."""
    if event.method in _BY_VALUE and event.op == Op.GROW:
        return short_text(event.value)
    return short_text(event.key)


@dataclass(frozen=True, slots=True)
class _Way:
    how: str  # "raise", "return" or "wait"
    line: int
    names: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Ways:
    """Runs through a function once, with what the container may hold: the entry, or not."""

    path: str
    events: list[RawEvent]
    _at: dict[int, list[RawEvent]] = field(default_factory=dict)
    _found: list[_Way] = field(default_factory=list)
    _safe: int = 0  # try statements around that take the entry out in `finally`
    _caught: int = 0  # and those that may catch what is raised
    _rescued: int = 0  # and those whose handlers take it out
    _paired: bool = False  # an addition is seen to reach a removal
    _continues: int = 0
    _breaks: int = 0

    def worst(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[RawEvent, _Way] | None:
        for event in self.events:
            self._at.setdefault(id(event.node), []).append(event)
        end = self._block(function.body, _OUT, top=True)
        grows = [e for e in self.events if e.op == Op.GROW]
        if end & _IN or not self._found or not self._paired:
            return None
        return grows[0], min(self._found, key=lambda way: (_ORDER.index(way.how), way.line))

    def _block(self, body: list[ast.stmt], state: int, top: bool = False) -> int:
        for statement in body:
            if not state:
                break
            last = top and statement is body[-1]
            state = self._statement(statement, state, last)
        return state

    def _statement(self, node: ast.stmt, state: int, last: bool) -> int:
        if isinstance(node, _DEFS):
            return state
        if isinstance(node, ast.If):
            return self._if(node, state, last)
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            return self._loop(node, state)
        if isinstance(node, ast.Try):
            return self._try(node, state, last)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                state = self._simple(item.context_expr, state)
            return self._block(node.body, state, last)
        if isinstance(node, ast.Match):
            return self._union([self._block(case.body, state) for case in node.cases]) | state
        state = self._simple(node, state)
        return self._jump(node, state, last) if isinstance(node, _JUMPS) else state

    def _jump(self, node: ast.stmt, state: int, last: bool) -> int:
        if isinstance(node, ast.Return):
            if last:
                return state
            names = frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
            self._leave("return", node, state, names)
        elif isinstance(node, ast.Raise):
            if not self._caught and not self._rescued:
                self._leave("raise", node, state)
        elif isinstance(node, ast.Continue):
            self._continues |= state
        else:
            self._breaks |= state
        return 0

    def _leave(self, how: str, node: ast.AST, state: int, names: frozenset[str] = frozenset()) -> None:
        if state == _IN and not self._safe:
            self._found.append(_Way(how, node.lineno, names))  # type: ignore[attr-defined]

    def _simple(self, node: ast.AST, state: int) -> int:
        parts = list(_own_parts(node))
        if not self._rescued and state == _IN:
            for part in parts:
                if isinstance(part, ast.Await):
                    self._leave("wait", part, state)
        for event in (e for part in parts for e in self._at.get(id(part), ())):
            self._paired = self._paired or bool(event.op == Op.SHRINK and state & _IN)
            state = _IN if event.op == Op.GROW else _OUT if event.op in _REMOVES else state
        return state

    def _if(self, node: ast.If, state: int, last: bool) -> int:
        state = self._simple(node.test, state)
        then = self._block(node.body, state, last)
        other = self._block(node.orelse, state, last)
        asked = any(access_path(part) == self.path for part in ast.walk(node.test))
        if asked and not then & _IN and not node.orelse:
            return then | (other & _OUT) or _OUT
        return then | other

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, state: int) -> int:
        head = node.test if isinstance(node, ast.While) else node.iter
        state = self._simple(head, state)
        before = len(self._found)
        continues, breaks = self._continues, self._breaks
        self._continues = self._breaks = 0
        out = self._block(node.body, state)
        if not state & _IN and out & _IN:
            del self._found[before:]
        elif state == _IN and out == _OUT:
            state = _OUT  # what the loop takes out is gone when it has run
        forever = (
            isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        )
        after = (0 if forever else state | out) | self._breaks
        self._continues, self._breaks = continues, breaks
        return self._block(node.orelse, after) if node.orelse and after else after

    def _try(self, node: ast.Try, state: int, last: bool) -> int:
        safe = self._takes(node.finalbody)
        rescued = any(self._takes(h.body) for h in node.handlers)
        self._safe += safe
        self._rescued += rescued
        self._caught += bool(node.handlers)
        out = self._block(node.body, state, last and not node.orelse)
        self._rescued -= rescued
        self._caught -= bool(node.handlers)
        grows = any(
            e.op == Op.GROW for part in node.body for n in ast.walk(part) for e in self._at.get(id(n), ())
        )
        first = self._takes(node.body[:1])
        caught = _OUT if first else state | (_IN if grows else 0) | out
        out = self._block(node.orelse, out, last) if node.orelse else out
        handled = [self._handler(h, caught) for h in node.handlers]
        self._safe -= safe
        out |= self._union(handled)
        return _OUT if safe else self._block(node.finalbody, out) if node.finalbody and out else out

    def _handler(self, node: ast.ExceptHandler, state: int) -> int:
        before = len(self._found)
        state = self._block(node.body, state)
        if self._takes(node.body):
            del self._found[before:]  # it knows of the entry, and leaves it in on purpose
        return state

    def _takes(self, body: list[ast.stmt]) -> bool:
        return any(
            e.op in _REMOVES
            for statement in body
            for n in ast.walk(statement)
            for e in self._at.get(id(n), ())
        )

    def _union(self, states: list[int]) -> int:
        total = 0
        for state in states:
            total |= state
        return total


def _own_parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a statement or expression, without the functions in it."""
    todo = [node]
    while todo:
        part = todo.pop()
        if not isinstance(part, _DEFS):
            yield part
            todo.extend(ast.iter_child_nodes(part))


_ORDER = ("raise", "return", "wait")
_JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
