"""Names, attributes and entries that are bound, grown or deleted."""

from __future__ import annotations

import ast
from typing import Any

from leakaudit.facts.model import Op
from leakaudit.facts.reading.containers import is_container
from leakaudit.facts.reading.expressions import access_path, annotation_text, is_copy
from leakaudit.facts.reading.rebinding import rebuilds
from leakaudit.facts.reading.walking.expressions import Expressions
from leakaudit.facts.tables import CLEAR_METHODS, GROW_METHODS, SHRINK_METHODS

_SEQUENCES = frozenset((ast.Tuple, ast.List))
#: Expressions that are read whole: nothing in them is an event, and no path leads through them.
_PLAIN_VALUES = frozenset((ast.Constant, ast.JoinedStr, ast.Compare, ast.UnaryOp, ast.Lambda))
_CHANGING = frozenset(SHRINK_METHODS | CLEAR_METHODS | set(GROW_METHODS))


class Bindings(Expressions):
    """Visits imports, assignments and deletions."""

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imports[alias.asname or alias.name.partition(".")[0]] = (
                alias.name if alias.asname else alias.name.partition(".")[0]
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = "." * node.level + (node.module or "")
        for alias in node.names:
            joined = f"{base}{alias.name}" if base.endswith(".") else f"{base}.{alias.name}"
            self.imports[alias.asname or alias.name] = joined

    def visit_Global(self, node: ast.Global) -> None:
        self.frame.globals |= {*node.names}

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.frame.nonlocals |= {*node.names}

    def visit_Assign(self, node: ast.Assign) -> None:
        value = node.value
        first = node.targets[0]
        if (
            type(first) in _SEQUENCES
            and isinstance(value, (ast.Tuple, ast.List))
            and len(first.elts) == len(value.elts)  # type: ignore[attr-defined]
        ):
            for target, part in zip(first.elts, value.elts):  # type: ignore[attr-defined]
                self.expression(part, self._usage_of(target))
                self.assign(target, part, node)
            return
        if self._table[type(value)] is not None:
            self.expression(value, self._usage_of(first))
        for target in node.targets:
            self.assign(target, value, node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.frame.annotations.setdefault(node.target.id, annotation_text(node.annotation))
        if node.value is not None:
            self.expression(node.value, self._usage_of(node.target))
            self.assign(node.target, node.value, node, annotation_text(node.annotation))
        elif isinstance(node.target, ast.Name):
            self.frame.bound.add(node.target.id)
        elif isinstance(node.target, ast.Attribute):
            self.frame.stores.append((access_path(node.target), ast.Constant(None), node))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.expression(node.value, self._usage_of(node.target))
        self.assign(node.target, node.value, node)

    def _usage_of(self, target: Any) -> str:
        kind = type(target)
        if kind is ast.Name:
            return f"name:{target.id}"
        if kind is ast.Attribute or kind is ast.Subscript:
            return f"store:{access_path(target)}"
        return "unpack"

    def assign(self, target: Any, value: ast.AST, node: ast.expr | ast.stmt, annotation: str = "") -> None:
        frame = self.frame
        if type(target) is ast.Name:
            name = target.id
            frame.bound.add(name)
            if name in frame.definitions:
                frame.definitions[name].append(value)
            else:
                frame.definitions[name] = [value]
            if type(value) not in _PLAIN_VALUES:
                self._assign_name(name, value, node, annotation)
            if frame.kind == "function" or name in frame.globals or name in frame.nonlocals:
                self.event(name, Op.REBIND, "=", node, None, value)
            return
        if isinstance(target, ast.Attribute):
            self.visit(target.value)
            path = access_path(target)
            if not path:
                return
            frame.stores.append((path, value, node))
            if is_container(value):
                frame.containers.append((path, value, node, annotation, self.flags))
            self.event(path, Op.REBIND, "=", node, None, value)
        elif isinstance(target, ast.Subscript):
            self.visit(target.value)
            self.visit(target.slice)
            path = access_path(target.value)
            if isinstance(target.slice, ast.Slice):
                op = Op.CLEAR if _is_empty(value) and not _has_bounds(target.slice) else Op.TRIM
                self.event(path, op, "[:]=", node, target.slice, value)
            elif rebuilds(self._defined(value), f"{path}[]"):
                self.event(f"{path}[]", Op.TRIM, "=", node, None, value)
            else:
                self.event(path, Op.GROW, "[]=", node, target.slice, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                made = value.value if isinstance(value, ast.Await) else value
                self.assign(element, value if isinstance(made, ast.Call) else ast.Constant(None), node)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, value, node)

    def _assign_name(self, name: str, value: ast.AST, node: ast.AST, annotation: str) -> None:
        frame = self.frame
        path = access_path(value)
        if path and name not in frame.aliases and path != name and not is_copy(value):
            made = any(isinstance(d, (ast.List, ast.Dict, ast.Set)) for d in frame.definitions.get(name, ()))
            if not (made and path.endswith("[]")):  # else it is one of its own in another branch
                frame.aliases[name] = path
        if isinstance(value, ast.Attribute) and value.attr in _CHANGING and frame.kind == "function":
            frame.bound_methods[name] = value
        if is_container(value):
            frame.containers.append((name, value, node, annotation, self.flags))
        if name == "__all__" and frame.kind == "module" and isinstance(value, (ast.List, ast.Tuple)):
            self.all_names = tuple(
                e.value for e in value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)
            )

    def _defined(self, value: ast.AST) -> ast.AST:
        """What a local name was bound to last, else the expression itself."""
        known = self.frame.definitions.get(value.id) if isinstance(value, ast.Name) else None
        return known[-1] if known else value

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        target = node.target
        path = access_path(target)
        if isinstance(target, ast.Subscript):
            self.visit(target.slice)
            self.event(access_path(target.value), Op.GROW, "[]+=", node, target.slice, node.value)
            if isinstance(node.op, ast.Add):
                self.event(path, Op.GROW, "+=", node, None, node.value)
            return
        if isinstance(target, ast.Name):
            self.visit(target)
            self.frame.bound.add(target.id)
            self.frame.definitions.setdefault(target.id, []).append(node)
        if isinstance(node.op, (ast.Sub, ast.BitAnd)):
            self.event(path, Op.SHRINK, "-=", node, None, node.value)
        elif isinstance(node.op, (ast.Add, ast.BitOr)):
            self.event(path, Op.GROW, "+=", node, None, node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript):
                self.visit(target.value)
                self.visit(target.slice)
                path = access_path(target.value)
                whole = isinstance(target.slice, ast.Slice)
                op = (Op.TRIM if _has_bounds(target.slice) else Op.CLEAR) if whole else Op.SHRINK
                self.event(path, op, "del", node, target.slice)
            elif isinstance(target, ast.Attribute):
                self.visit(target.value)
                self.event(access_path(target), Op.REBIND, "del", node)
            elif isinstance(target, ast.Name):
                self.frame.deleted |= {target.id}


def _is_empty(node: ast.AST) -> bool:
    return (isinstance(node, (ast.List, ast.Tuple)) and not node.elts) or (
        isinstance(node, ast.Dict) and not node.keys
    )


def _has_bounds(node: ast.AST) -> bool:
    return isinstance(node, ast.Slice) and (node.lower is not None or node.upper is not None)
