"""What `x = ...` does to the container that x was: bound anew, grown, or trimmed to a part of itself."""

from __future__ import annotations

import ast

from leakaudit.facts.model import Op
from leakaudit.facts.reading.expressions import access_path

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def rebind_op(path: str, value: ast.AST | None) -> int:
    """Return Op.REBIND, or GROW or TRIM where the value is made of what `path` holds."""
    if isinstance(value, _COMPREHENSIONS):
        return Op.TRIM if access_path(value.generators[0].iter).startswith(path) else Op.REBIND
    if isinstance(value, ast.Subscript):
        trims = isinstance(value.slice, ast.Slice) and access_path(value.value) == path
        return Op.TRIM if trims else Op.REBIND
    if isinstance(value, ast.BinOp):
        if access_path(value.left) == path or access_path(value.right) == path:
            return Op.TRIM if isinstance(value.op, (ast.Sub, ast.BitAnd)) else Op.GROW
        return Op.REBIND
    if isinstance(value, ast.Call):
        return Op.TRIM if any(_reads_part(argument, path) for argument in value.args) else Op.REBIND
    return Op.GROW if _unpacks(value, path) else Op.REBIND


def rebuilds(value: ast.AST, path: str) -> bool:
    """Tell whether an entry is made smaller: `d[k] = [x for x in d[k] if ...]`, `d[k] = d[k][-n:]`."""
    if isinstance(value, (ast.ListComp, ast.SetComp, ast.DictComp)):
        return access_path(value.generators[0].iter).startswith(path)
    if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Slice):
        return access_path(value.value) == path
    return isinstance(value, ast.Call) and bool(path) and any(_reads_part(a, path) for a in value.args)


def _unpacks(value: ast.AST | None, path: str) -> bool:
    """`[*x, new]`, `{**x, key: new}`."""
    if isinstance(value, (ast.List, ast.Set, ast.Tuple)):
        return any(isinstance(e, ast.Starred) and access_path(e.value) == path for e in value.elts)
    if isinstance(value, ast.Dict):
        return any(k is None and access_path(v) == path for k, v in zip(value.keys, value.values))
    return False


def _reads_part(argument: ast.AST, path: str) -> bool:
    """`deque(self.x[-n:])`, `dict(kv for kv in self.x ...)`, `filter(f, self.x)`: a rebuild from a part of itself."""
    if isinstance(argument, ast.Subscript) and isinstance(argument.slice, ast.Slice):
        return access_path(argument.value) == path
    if isinstance(argument, (ast.GeneratorExp, ast.ListComp)):
        return access_path(argument.generators[0].iter).startswith(path)
    return False
