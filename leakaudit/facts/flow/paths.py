"""Follow one local through its function: on which paths is what it holds neither closed nor handed on?

A small abstract interpretation over the statements, as CodeQL's file-not-always-closed query does it over a control-flow
graph. The state of a path is a mask: not made yet, open, done (closed or somebody else's business).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from leakaudit.facts.flow.effects import Effect, Effects
from leakaudit.facts.reading.closers import closes_each, name_of, narrow, passes_by
from leakaudit.facts.reading.expressions import short_text

NONE, OPEN, DONE = 1, 2, 4
#: Statements that are walked at most: every loop is walked twice, every `finally` once per exception.
_STEPS = 20_000
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_Try = tuple(getattr(ast, name) for name in ("Try", "TryStar") if hasattr(ast, name))


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of the function with the resource open: `how` is end, return, again or raise; `text` what may raise."""

    how: str
    line: int
    text: str = ""


@dataclass(slots=True)
class _Guard:
    """A try statement that is being walked. Only while its body is walked do its handlers catch."""

    node: ast.Try | None
    catches: bool
    raised: int = 0
    risk: Exit | None = None

    @property
    def final(self) -> list[ast.stmt]:
        return self.node.finalbody if self.node is not None else []


@dataclass(slots=True)
class _Loop:
    node: ast.stmt
    depth: int
    breaks: int = 0
    continues: int = 0


@dataclass(slots=True)
class Paths:
    """Walks a function's body for one local. `left` are normal exits, `risks` exceptional ones, both with it open."""

    effects: Effects
    left: list[Exit] = field(default_factory=list)
    risks: list[Exit] = field(default_factory=list)
    closed: int = 0  # line of the first close
    given: int = 0  # line where it is first handed on
    passed: list[str] = field(default_factory=list)  # calls that are given it while it is open
    _guards: list[_Guard] = field(default_factory=list)
    _loops: list[_Loop] = field(default_factory=list)
    _cause: Exit | None = None
    _closes: int = 0
    _steps: int = 0
    _made_in: list[ast.stmt] = field(default_factory=list)
    _finals: int = 0
    _quiet: int = 0  # inside handlers and `finally`, where only a plain `raise` counts

    def run(self, body: list[ast.stmt], last_line: int) -> None:
        """Walk a whole function body."""
        state = self._block(body, NONE)
        if _certainly_open(state):
            self.left.append(Exit("end", last_line))

    # -- statements -------------------------------------------------------------------------------------------------

    def _block(self, statements: list[ast.stmt], state: int) -> int:
        for statement in statements:
            self._steps += 1
            if not state or self._steps > _STEPS:
                return 0
            state = self._statement(statement, state)
        return state

    @property
    def gave_up(self) -> bool:
        """Whether the function is nested too deeply to be followed on all of its paths."""
        return self._steps > _STEPS

    def _statement(self, node: ast.stmt, state: int) -> int:
        if isinstance(node, _DEFINITIONS):
            return self._apply(self.effects.of_definition(node), node.lineno, state)
        if isinstance(node, ast.If):
            return self._if(node, state)
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            return self._loop(node, state)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            return self._with(node, state)
        if isinstance(node, _Try):
            return self._try(node, state)
        if isinstance(node, ast.Match):
            state = self._simple(node.subject, node, state)
            return state | self._union([self._block(case.body, state) for case in node.cases])
        if isinstance(node, (ast.Break, ast.Continue)):
            return self._jump(node, state)
        state = self._simple(node, node, state)
        if isinstance(node, ast.Return):
            self._leave(node, state)
            return 0
        if isinstance(node, ast.Raise):
            known = self._cause if node.exc is None else None
            cause = known or Exit("raise", node.lineno, short_text(node))
            self._raise(0 if self._collecting() else state, cause, _raised(node))
            return 0
        return state

    def _simple(self, node: ast.AST, statement: ast.stmt, state: int) -> int:
        effect = self.effects.of(node)
        if state & OPEN:
            self.passed.extend(effect.passed)
        if (
            effect.risky
            and state & OPEN
            and not (effect.closes or effect.gives or self._quiet or self._collecting())
        ):
            self._raise(state, Exit("raise", effect.line or statement.lineno, effect.text))
        return self._apply(effect, statement.lineno, state)

    def _collecting(self) -> bool:
        """Whether this is still the loop that fills a local container; it is judged by what comes after."""
        return self.effects.collected and any(loop.node in self._made_in for loop in self._loops)

    def _apply(self, effect: Effect, line: int, state: int) -> int:
        if effect.makes:
            if state & OPEN and not self.effects.collected:
                self.left.append(Exit("again", line))
            self._made_in = [loop.node for loop in self._loops]
            state = DONE if effect.gives else OPEN
        elif effect.closes:
            if not self._quiet or self._finals:
                self.closed = self.closed or line
            self._closes += 1
            state = DONE if state & (OPEN | DONE) else state
        elif effect.gives and state & OPEN:
            self.given = self.given or line
            state = DONE
        elif effect.drops and state & OPEN and not self.effects.collected:
            state = DONE
        return state

    def _if(self, node: ast.If, state: int) -> int:
        state = self._simple(node.test, node, state)
        yes, no = narrow(node.test, self.effects.names)
        into = state & (NONE | DONE) if yes == "none" else state & (OPEN | DONE) if yes == "some" else state
        past = state & (NONE | DONE) if no == "none" else state & (OPEN | DONE) if no == "some" else state
        before = self._closes
        then = self._block(node.body, into)
        closes = self._closes > before and bool(then & DONE) and not then & OPEN
        before = self._closes
        other = self._block(node.orelse, past) if node.orelse else past
        if closes and not node.orelse and other & OPEN:
            other = other & ~OPEN | DONE  # whoever closes under a condition knows when it is his to close
        elif node.orelse and self._closes > before and other & DONE and not other & OPEN and then & OPEN:
            then = then & ~OPEN | DONE
        return then | other

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, state: int) -> int:
        head = node.test if isinstance(node, ast.While) else node.iter
        state = self._simple(head, node, state)
        if not isinstance(node, ast.While) and closes_each(self.effects.names, node):
            self.closed = self.closed or node.lineno
            self._closes += 1
            return DONE if state & OPEN else state
        before = self._closes
        loop = _Loop(node, len(self._guards))
        self._loops.append(loop)
        tried = isinstance(node, ast.While) and not isinstance(node.test, ast.Constant)
        around = into = state
        for _ in range(2):
            out = self._block(node.body, into) | loop.continues
            around |= out
            # `while sock is None` goes on only as long as there is nothing
            into |= (out & ~OPEN) | loop.continues if tried else out
        self._loops.pop()
        forever = (
            isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        )
        after = 0 if forever else around
        if self._closes > before and after & DONE:
            after &= ~OPEN | (loop.breaks & OPEN)  # what the loop closes is closed when it has run
        return self._block(node.orelse, after) | loop.breaks if node.orelse else after | loop.breaks

    def _jump(self, node: ast.Break | ast.Continue, state: int) -> int:
        if self._loops:
            loop = self._loops[-1]
            state = self._unwind(state, loop.depth)
            if isinstance(node, ast.Break):
                loop.breaks |= state
            else:
                loop.continues |= state
        return 0

    def _with(self, node: ast.With | ast.AsyncWith, state: int) -> int:
        swallows = False
        for item in node.items:
            state = self._simple(item, node, state)
            swallows = (
                swallows
                or "suppress" in short_text(item.context_expr)
                or "raises" in short_text(item.context_expr)
            )
        if not swallows:
            return self._block(node.body, state)
        guard = _Guard(None, catches=True)
        self._guards.append(guard)
        out = self._block(node.body, state)
        self._guards.pop()
        return out | guard.raised

    # -- exceptions -------------------------------------------------------------------------------------------------

    def _try(self, node: ast.Try, state: int) -> int:
        guard = _Guard(node, catches=bool(node.handlers))
        self._guards.append(guard)
        out = self._block(node.body, state)
        guard.catches = False
        if node.orelse:
            out = self._block(node.orelse, out)
        cause, self._cause = self._cause, guard.risk
        if guard.raised:
            self._quiet += 1
            out |= self._union([self._block(h.body, guard.raised) for h in node.handlers])
            self._quiet -= 1
        self._cause = cause
        self._guards.pop()
        return self._final(node.finalbody, out) if out else 0

    def _final(self, body: list[ast.stmt], state: int) -> int:
        self._quiet += 1
        self._finals += 1
        state = self._block(body, state)
        self._quiet -= 1
        self._finals -= 1
        return state

    def _raise(self, state: int, risk: Exit, name: str = "") -> None:
        """Send an exception, of that class if it is known, up to its handler, through every `finally` on its way."""
        outer = self._guards
        for index in range(len(outer) - 1, -1, -1):
            guard = outer[index]
            if guard.catches and not passes_by(name, guard.node):
                guard.raised |= state
                if state & OPEN:
                    guard.risk = guard.risk or risk
                return
            if guard.final:
                self._guards = outer[:index]
                state = self._final(guard.final, state)
                self._guards = outer
        if state & OPEN:
            self.risks.append(risk)

    def _unwind(self, state: int, depth: int) -> int:
        """Run every `finally` from the inside out to `depth`."""
        outer = self._guards
        for index in range(len(outer) - 1, depth - 1, -1):
            if outer[index].final and state:
                self._guards = outer[:index]
                state = self._final(outer[index].final, state)
        self._guards = outer
        return state

    def _leave(self, node: ast.Return, state: int) -> None:
        if _certainly_open(self._unwind(state, 0)):
            self.left.append(Exit("return", node.lineno))

    def _union(self, states: list[int]) -> int:
        total = 0
        for state in states:
            total |= state
        return total


def _raised(node: ast.Raise) -> str:
    """The last part of the name of the class that a statement raises, "" if that can't be told."""
    exc = node.exc
    return name_of(exc) if isinstance(exc, ast.Call) else ""


def _certainly_open(state: int) -> bool:
    return bool(state & OPEN) and not state & DONE
