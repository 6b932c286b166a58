"""The walk itself: blocks, guards, usages, and how raw events are noted."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from leakaudit.facts.model import Class, Use
from leakaudit.facts.reading.expressions import access_path
from leakaudit.facts.reading.frame import Frame, RawEvent

#: Tests that are kept of those around an event, the innermost.
_GUARDS = 4
#: One for all tests that are negated here: making a node takes as long as visiting three.
NOT = ast.Not()
_EXITS = frozenset((ast.Return, ast.Raise, ast.Continue, ast.Break))
Handler = Callable[[Any, Any], None]


class Walker:
    """What every part of the walk shares. The tables say what visits each kind of node; walk.py fills them in."""

    plain: ClassVar[dict[type, Handler | None]]
    nested: ClassVar[
        dict[type, Handler | None]
    ]  # where names are loads that an enclosing scope may be asked for

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.functions: list[tuple[Frame, ast.AST, tuple[str, ...], str]] = []
        self.classes: list[Class] = []
        self.imports: dict[str, str] = {}
        self.all_names: tuple[str, ...] = ()
        self.script = False
        self.tree = ast.Module([], [])
        self.frame: Frame = Frame("", "module", -1)
        self.frames.append(self.frame)
        self.guards: tuple[ast.AST, ...] = ()  # the innermost few
        self.flags = 0
        self.usage = ""
        self._table = self.plain

    def run(self, tree: ast.Module) -> None:
        """Walk a whole module."""
        self.tree = tree
        self.block(tree.body)

    # -- plumbing ---------------------------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        handler = self._table[type(node)]
        if handler is not None:
            handler(self, node)

    def visit_fields(self, node: ast.AST) -> None:
        """Visit the children of a node that means nothing by itself."""
        table = self._table
        for name in node._fields:
            value: Any = getattr(node, name, None)
            for part in value if type(value) is list else (value,):
                handler = table.get(type(part))  # None for a text, too
                if handler is not None:
                    handler(self, part)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._read((node.left, node.right))
        self.visit(node.left)
        self.visit(node.right)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._visit_all(node.values)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.visit(node.operand)

    def visit_List(self, node: ast.List | ast.Tuple | ast.Set) -> None:
        self._read(node.elts)
        self._visit_all(node.elts)

    visit_Tuple = visit_Set = visit_List

    def visit_Dict(self, node: ast.Dict) -> None:
        self._read(node.values)
        self._visit_all(key for key in node.keys if key is not None)
        self._visit_all(node.values)

    def _read(self, nodes: Iterable[Any]) -> None:
        """Note names that become part of something else: whoever has that reads them."""
        for node in nodes:
            if node.__class__ is ast.Name or node.__class__ is ast.Attribute:
                path = access_path(node)
                if path:
                    self.frame.ref_names.add(path)
                    self.use(node, Use.PASS)

    def _visit_all(self, nodes: Iterable[Any]) -> None:
        table = self._table
        for node in nodes:
            handler = table[type(node)]
            if handler is not None:
                handler(self, node)

    def block(self, statements: list[ast.stmt]) -> None:
        """Visit statements; a test whose branch leaves the block guards all that follows it."""
        guards = self.guards
        table = self._table
        statement: Any
        for statement in statements:
            kind = type(statement)
            handler = table[kind]
            if handler is not None:
                handler(self, statement)
            if kind is ast.If and not statement.orelse and type(statement.body[-1]) in _EXITS:
                self._guard(ast.UnaryOp(NOT, statement.test))
                if not guards and self.frame.kind == "function":
                    self.frame.exits += (statement.test,)
        self.guards = guards

    def _guard(self, test: ast.AST) -> None:
        self.guards = (*self.guards[1 - _GUARDS :], test)

    def under(self, flag: int, statements: list[ast.stmt]) -> None:
        before, self.flags = self.flags, self.flags | flag
        self.block(statements)
        self.flags = before

    def expression(self, node: ast.AST | None, usage: str) -> None:
        """Visit an expression whose value is put to `usage`."""
        if node is None:
            return
        handler = self._table[type(node)]
        if handler is not None:
            before, self.usage = self.usage, usage
            handler(self, node)
            self.usage = before

    def event(
        self,
        path: str,
        op: int,
        method: str,
        node: ast.expr | ast.stmt,
        key: ast.AST | None = None,
        value: ast.AST | None = None,
        flags: int = 0,
    ) -> None:
        if path:
            frame = self.frame
            paths = frame.several.get(path, (path,)) if frame.several else (path,)
            for each in paths:
                frame.events.append(
                    RawEvent(each, op, method, node, frame.index, key, value, self.guards, self.flags | flags)
                )

    def use(self, node: ast.AST, mask: int) -> None:
        path = access_path(node)
        if path:
            uses = self.frame.uses
            uses[path] = uses.get(path, 0) | mask
