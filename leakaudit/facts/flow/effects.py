"""What one statement does to a local that holds a resource: makes, closes, hands on or only uses it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from leakaudit.facts.reading.closers import is_closer, is_ending, is_harmless, is_logger, name_of
from leakaudit.facts.reading.expressions import dotted, nodes_in, short_text
from leakaudit.facts.resources import (
    BORROWERS,
    CLOSERS,
    LENDING,
    READS,
    REAPERS,
    REPLIES,
    SESSIONS,
    STARTED,
    STARTERS,
)

_SHADES = (ast.Compare, ast.UnaryOp, ast.BinOp, ast.JoinedStr, ast.FormattedValue, ast.Slice)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict)
_ALIASES = {"values", "items", "keys", "copy"}
_PUTS = {"append", "add", "insert", "setdefault", "appendleft"}


@dataclass(slots=True)
class Effect:
    """`risky`: something in the statement may raise; `line` and `text` say what."""

    makes: bool = False
    closes: bool = False
    gives: bool = False
    drops: bool = False
    risky: bool = False
    line: int = 0
    text: str = ""
    passed: tuple[str, ...] = ()


@dataclass(slots=True)
class Effects:
    """Effects of statements on what `names` hold, which `maker` made.

    `lent` decides about calls that are given the local: do they take it over (False), or only use it (True)? Their
    result then stands for it. `containers` are the local containers that it may be put into.
    """

    names: set[str]
    maker: ast.Call
    lent: bool
    containers: frozenset[str]
    uses: list[str] = field(default_factory=list)
    yielded: bool = False
    _known: dict[int, Effect] = field(default_factory=dict)
    _now: Effect = field(default_factory=Effect)

    def of(self, node: ast.AST) -> Effect:
        """Return the effect of a simple statement, or of the expression in the head of a compound one."""
        known = self._known.get(id(node))
        if known is None:
            before, self._now = self._now, Effect()
            self._visit(node)
            known, self._now = self._now, before
            self._known[id(node)] = known
        return known

    def of_definition(self, node: ast.stmt) -> Effect:
        """A nested function that captures the local takes it over."""
        return Effect(gives=self._mentions(node))

    @property
    def collected(self) -> bool:
        """Whether a local container holds it, together with others of its kind."""
        return bool(self.names & self.containers)

    # -- the visit --------------------------------------------------------------------------------------------------

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            self._assign(node.targets, node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            if node.value is not None:
                self._assign([node.target], node.value)
        elif isinstance(node, ast.AugAssign):
            self._value(node.value, "element" if self._is_local(node.target) else "store")
        elif isinstance(node, ast.Expr):
            self._value(node.value, "drop")
        elif isinstance(node, ast.Return):
            self._value(node.value, "return")
        elif isinstance(node, ast.withitem):
            self._value(node.context_expr, "with")
        elif isinstance(node, ast.Delete):
            self._now.drops = any(isinstance(t, ast.Name) and t.id in self.names for t in node.targets)
        elif isinstance(node, ast.Raise):
            self._value(node.exc, "test")
        elif isinstance(node, ast.expr):
            self._value(node, "iter")

    def _assign(self, targets: list[ast.expr], value: ast.expr) -> None:
        target = targets[0]
        if all(isinstance(t, ast.Name) for t in targets):
            self._value(value, f"name:{target.id}")  # type: ignore[attr-defined]
            names = {t.id for t in targets if isinstance(t, ast.Name)}
            effect = self._now
            if names & self.names and not (effect.makes or self._mentions(value) or effect.gives):
                effect.drops = True
        elif isinstance(target, ast.Subscript) and self._is_local(target.value):
            self._value(target.slice, "test")
            self._value(value, f"name:{target.value.id}")  # type: ignore[attr-defined]
        elif isinstance(target, (ast.Tuple, ast.List)) and not isinstance(value, _DISPLAYS):
            self._value(value, "unpack")
        else:
            self._value(value, "store")
            if self._now.makes and any(not isinstance(t, (ast.Tuple, ast.List)) for t in targets):
                self._now.gives = True

    def _is_local(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in self.containers

    def _is_held(self, node: ast.Subscript) -> bool:
        named = isinstance(node.value, ast.Name) and node.value.id in self.names - self.containers
        return named and not isinstance(node.slice, ast.Slice)

    def _is_inside(self, node: ast.expr) -> bool:
        """Whether it was made of that: `Connection(stream)` ends with the stream, `connection.cursor()` with the connection."""
        whole = [self.maker.func.value] if isinstance(self.maker.func, ast.Attribute) else []
        return isinstance(node, ast.Name) and any(
            isinstance(a, ast.Name) and a.id == node.id for a in (*self.maker.args, *whole)
        )

    def _mentions(self, node: ast.AST) -> bool:
        return any(isinstance(n, ast.Name) and n.id in self.names for n in nodes_in(node))

    def _value(self, node: ast.AST | None, role: str) -> None:
        """Visit an expression whose value is put to `role`."""
        if node is None or isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Name):
            if node.id in self.names:
                self._flow(role)
        elif isinstance(node, ast.Call):
            self._call(node, role)
        elif isinstance(node, ast.Attribute):
            self._attribute(node, role)
        elif isinstance(node, ast.Await):
            self._risk(node)
            self._value(node.value, role)
        elif isinstance(node, (ast.Yield, ast.YieldFrom)):
            self._risk(node)
            self.yielded = self.yielded or (node.value is not None and self._mentions(node.value))
            self._value(node.value, "test")
        elif isinstance(node, (ast.Lambda, ast.GeneratorExp)):
            if self._mentions(node) and (
                isinstance(node, ast.Lambda) or role in ("return", "store") or role.startswith("name:")
            ):
                self._now.gives = True
        elif isinstance(node, _COMPREHENSIONS):
            for generator in node.generators:
                self._value(generator.iter, "iter")
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self._value(child, "element")
        elif isinstance(node, ast.NamedExpr):
            self._assign([node.target], node.value)
        else:
            self._compound(node, role)

    def _compound(self, node: ast.AST, role: str) -> None:
        if isinstance(node, ast.IfExp):
            self._value(node.test, "test")
            self._value(node.body, role)
            self._value(node.orelse, role)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                self._value(value, role)
        elif isinstance(node, ast.Starred):
            self._value(node.value, "element")
        elif isinstance(node, ast.Subscript) and role.startswith("name:") and self._is_held(node):
            self._adopt(role)  # a database of a client, a dataset of a file: a part that keeps the whole
        elif isinstance(node, ast.Subscript):
            self._value(node.value, role if self._is_local(node.value) and role == "return" else "receiver")
            self._value(node.slice, "test")
        elif isinstance(node, _DISPLAYS):
            inner = (
                role
                if role.startswith("name:") and role[5:] in self.containers
                else "element"
                if role != "test"
                else role
            )
            for child in ast.iter_child_nodes(node):
                self._value(child, inner)
        elif isinstance(node, _SHADES):
            for child in ast.iter_child_nodes(node):
                self._value(child, "test")

    def _attribute(self, node: ast.Attribute, role: str) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in self.names:
            if node.attr in CLOSERS and role != "test":
                self._now.gives = True  # the bound method is handed on: somebody else closes
        else:
            self._value(node.value, role if role == "return" else "receiver")

    def _call(self, node: ast.Call, role: str) -> None:
        func = node.func
        name = name_of(node)
        if name == "cast" and node.args:
            self._value(node.args[-1], role)
            return
        if node is self.maker:
            self._now.makes = True
        if (
            isinstance(func, ast.Attribute)
            and isinstance(func.value, ast.Name)
            and func.value.id in self.names
        ):
            self._method(node, func.value.id, name, role)
            return
        if isinstance(func, ast.Attribute):
            self._now.closes = self._now.closes or (is_ending(name) and self._is_inside(func.value))
            self._value(func.value, "receiver")
        elif not isinstance(func, ast.Name):
            self._value(func, "receiver")
        for argument in (
            *node.args,
            *(k.value for k in node.keywords if k.arg not in LENDING or name not in STARTERS),
        ):
            if node is self.maker:
                self._value(argument, "test")
            else:
                self._argument(argument, name, func, role)
        if node is not self.maker and not is_harmless(name) and not is_logger(func):
            self._risk(node)

    def _method(self, node: ast.Call, holder: str, name: str, role: str) -> None:
        """A call of one of its own methods."""
        arguments = (*node.args, *(k.value for k in node.keywords))
        if holder in self.containers:
            for argument in arguments:
                self._value(argument, f"name:{holder}" if name in _PUTS else "test")
            if name in _ALIASES and role.startswith("name:"):
                self._adopt(role)
            return
        if is_ending(name) or (name in REAPERS and name_of(self.maker) in STARTED):
            self._now.closes = True
            return
        self.uses.append(name)
        if name == "makefile" and role.startswith("name:"):
            self._adopt(role)  # a socket stays open as long as the files made of it
        if (
            role == "return"
            and name not in READS
            and not (name in REPLIES and name_of(self.maker) in SESSIONS)
        ):
            self._now.gives = True  # what it made of itself is the caller's, and may need it
        for argument in arguments:
            self._value(argument, "test")
        if not is_harmless(name):
            self._risk(node)

    def _argument(self, node: ast.expr, name: str, func: ast.expr, role: str) -> None:
        value = node.value if isinstance(node, ast.Starred) else node
        if isinstance(value, ast.Name) and value.id in self.names:
            if is_closer(name):
                self._now.closes = True
            elif name in _PUTS and isinstance(func, ast.Attribute) and self._is_local(func.value):
                self._adopt(f"name:{func.value.id}")  # type: ignore[attr-defined]
            elif name not in BORROWERS:
                self._pass(dotted(func) or name, role)
        elif isinstance(value, _DISPLAYS):
            inner = "test" if name in BORROWERS or self.lent else "element"
            if name in _PUTS and isinstance(func, ast.Attribute) and self._is_local(func.value):
                inner = f"name:{func.value.id}"  # type: ignore[attr-defined]
            for child in ast.iter_child_nodes(value):
                self._value(child, inner)
        elif (
            isinstance(value, ast.Call)
            and name in _PUTS
            and isinstance(func, ast.Attribute)
            and self._is_local(func.value)
        ):
            self._value(value, f"name:{func.value.id}")  # type: ignore[attr-defined]
        else:
            self._value(
                value,
                "test" if isinstance(value, ast.Attribute) and value.attr not in CLOSERS else "argument",
            )

    def _pass(self, callee: str, role: str) -> None:
        self._now.passed = (*self._now.passed, callee)
        made = callee.rpartition(".")[2][:1].isupper()
        if role.startswith("name:") and ((self.lent and not made) or role[5:] in self.containers):
            self._adopt(role)
        elif made or not self.lent or role in ("store", "yield"):
            self._now.gives = True

    def _flow(self, role: str) -> None:
        if role.startswith("name:"):
            self._adopt(role)
        elif role == "with":
            self._now.closes = True
        elif role in ("store", "return", "element", "argument", "unpack"):
            self._now.gives = True

    def _adopt(self, role: str) -> None:
        """From now on the name stands for it, too."""
        self.names.add(role[5:])

    def _risk(self, node: ast.AST) -> None:
        if not self._now.risky:
            self._now.risky, self._now.line, self._now.text = (
                True,
                getattr(node, "lineno", 0),
                short_text(node),
            )
