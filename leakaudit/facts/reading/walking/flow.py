"""Branches, loops, try and with, and where they lead."""

from __future__ import annotations

import ast
import re

from leakaudit.facts.answers import words
from leakaudit.facts.model import Flag, Use
from leakaudit.facts.reading.expressions import access_path, nodes_in, short_text
from leakaudit.facts.reading.frame import RawRaise
from leakaudit.facts.reading.walking.base import NOT
from leakaudit.facts.reading.walking.bindings import Bindings

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NAMED = frozenset((ast.Name, ast.Attribute))
_RUNNING = re.compile(
    r"(^|[^a-z])(running|is_running|alive|active|stop|stopped|stopping|shutdown|closed|closing|done|finished|connected|exit|quit|terminate|keep_\w+|is_set|should_\w+|_?run)([^a-z]|$)"
)
#: Words in the names of what an `async for` comes to the end of.
_THERE = frozenset(
    "cursor row rows result results record records execute query fetch find select scan page pages paginator items files entries walk list "
    "glob scandir content body lines bytes".split()
)


class Flow(Bindings):
    """Visits control flow."""

    def visit_If(self, node: ast.If) -> None:
        if self.frame.kind == "module" and _is_main_test(node.test):
            self.script = True
        self._test(node.test)
        guards = self.guards
        self._guard(node.test)
        self.under(Flag.COND, node.body)
        self.guards = guards
        if node.orelse:
            self._guard(ast.UnaryOp(NOT, node.test))
            self.under(Flag.COND, node.orelse)
            self.guards = guards

    def _test(self, node: ast.AST) -> None:
        self.expression(node, "test")
        for part in node.values if isinstance(node, ast.BoolOp) else (node,):
            inner = part.operand if isinstance(part, ast.UnaryOp) else part
            if type(inner) in _NAMED:
                self.use(inner, Use.TRUTH)

    def visit_While(self, node: ast.While) -> None:
        self._test(node.test)
        forever = _runs_on(node)
        if forever and self.frame.kind == "function":
            self.frame.forever = True
            self.frame.endless = self.frame.endless or _is_endless(node)
        guards = self.guards
        self._guard(node.test)
        self.under(Flag.LOOP | (Flag.FOREVER if forever else 0), node.body)
        self.guards = guards
        if node.orelse:
            self.block(node.orelse)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.use(_iterated(node.iter), Use.ITER)
        self.expression(node.iter, "iter")
        self._bind_loop(node.target, node.iter)
        self.under(Flag.LOOP, node.body)
        if node.orelse:
            self.block(node.orelse)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        before = self.flags
        if not _comes_to_an_end(node.iter):
            self.flags |= Flag.FOREVER
        self.visit_For(node)
        self.flags = before

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.use(_iterated(node.iter), Use.ITER)
        self.expression(node.iter, "iter")
        self._bind_loop(node.target, node.iter)
        for test in node.ifs:
            self.visit(test)

    def _comprehension(self, node: ast.AST) -> None:
        for generator in node.generators:  # type: ignore[attr-defined]
            self.visit_comprehension(generator)
        for name in ("elt", "key", "value"):
            part = getattr(node, name, None)
            if part is not None:
                self.expression(part, "element")

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _bind_loop(self, target: ast.AST, iterated: ast.AST) -> None:
        if isinstance(target, ast.Name) and isinstance(iterated, (ast.List, ast.Tuple)):
            paths = tuple(filter(None, map(access_path, iterated.elts)))
            if paths:
                self.frame.several = {**self.frame.several, target.id: paths}
        path = access_path(_iterated(iterated))
        names = [target] if isinstance(target, ast.Name) else getattr(target, "elts", [])
        for position, name in enumerate(names):
            if isinstance(name, ast.Name):
                self.frame.bound.add(name.id)
                self.frame.loops[name.id] = iterated
                if path and name.id not in self.frame.aliases and position == len(names) - 1:
                    self.frame.aliases[name.id] = path if path.endswith("[]") else f"{path}[]"
            elif isinstance(name, (ast.Tuple, ast.List)):
                self._bind_loop(name, iterated)

    def visit_Try(self, node: ast.Try) -> None:
        if not node.finalbody:
            self.frame.tries += (node,)
        self.under(Flag.TRY, node.body)
        for handler in node.handlers:
            if handler.type is not None:
                self.visit(handler.type)
            if handler.name:
                self.frame.bound.add(handler.name)
                self.frame.caught |= {handler.name}
            self.under(Flag.EXCEPT, handler.body)
        if node.orelse:
            self.block(node.orelse)
        if node.finalbody:
            self.under(Flag.FINALLY, node.finalbody)

    visit_TryStar = visit_Try

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.expression(item.context_expr, "with")
            if item.optional_vars is not None:
                for name in ast.walk(item.optional_vars):
                    if isinstance(name, ast.Name):
                        self.frame.bound.add(name.id)
                        self.frame.withs[name.id] = item.context_expr
        self.under(Flag.WITH, node.body)

    visit_AsyncWith = visit_With

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.frame.returns.append(node.value)
            self.use(node.value, Use.RETURN)
            self.expression(node.value, "return")

    def visit_Raise(self, node: ast.Raise) -> None:
        raised = node.exc
        if raised is None:
            return
        if type(raised) is not ast.Call:
            path = access_path(raised)
            if path:
                self.frame.raises += (RawRaise(path, raised, self.guards, self.flags),)
        self.expression(raised, "raise")
        if node.cause is not None:
            self.expression(node.cause, "raise")

    def visit_Expr(self, node: ast.Expr) -> None:
        self.expression(node.value, "drop")

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            for part in ast.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if isinstance(name, str):
                    self.frame.bound.add(name)
            if case.guard is not None:
                self.visit(case.guard)
            self.under(Flag.COND, case.body)


def _runs_on(node: ast.While) -> bool:
    """`while True`, `while not stopped`, and a loop that sleeps or waits between its turns."""
    if isinstance(node.test, ast.Constant):
        return bool(node.test.value)
    if isinstance(node.test, ast.Compare) and not any(
        isinstance(o, (ast.Is, ast.IsNot, ast.NotIn)) for o in node.test.ops
    ):
        return _sleeps(node)
    if _RUNNING.search(short_text(node.test)):
        return True
    return _sleeps(node)


def _comes_to_an_end(iterated: ast.expr) -> bool:
    """Whether an `async for` runs over what there is, such as the rows of a cursor, and not over what is still to come."""
    func = iterated.func if isinstance(iterated, ast.Call) else iterated
    return bool(_THERE & set(words(access_path(func).rpartition(".")[2])))


def _sleeps(node: ast.While) -> bool:
    for part in nodes_in(*node.body):
        if type(part) is ast.Call:
            name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
            if name in ("sleep", "wait", "wait_for", "poll", "select", "accept"):
                return True
    return False


def _is_endless(node: ast.While) -> bool:
    """`while True` that pauses between its turns, and that no break, return or raise leaves."""
    if not isinstance(node.test, ast.Constant) or not _sleeps(node):
        return False
    return not any(_leaves(part, inner=False) for part in node.body)


def _leaves(node: ast.AST, *, inner: bool) -> bool:
    """Whether a part of a loop may leave it; a `break` in an `inner` loop ends only that one."""
    if isinstance(node, (ast.Return, ast.Raise)):
        return True
    if isinstance(node, ast.Break):
        return not inner
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return False
    inner = inner or isinstance(node, (ast.For, ast.AsyncFor, ast.While))
    return any(_leaves(child, inner=inner) for child in ast.iter_child_nodes(node))


def _is_main_test(node: ast.AST) -> bool:
    return isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == "__name__"


def _iterated(node: ast.AST) -> ast.AST:
    while (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.args
        and node.func.id in ("list", "tuple", "sorted", "enumerate", "reversed", "iter", "set")
    ):
        node = node.args[0]
    return node
