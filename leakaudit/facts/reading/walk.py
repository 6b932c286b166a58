"""The one walk over a file's ast that collects raw facts, scope by scope. No judgement, no resolution yet."""

from __future__ import annotations

import ast

from leakaudit.facts.reading.walking.base import Handler
from leakaudit.facts.reading.walking.definitions import Definitions

_LEAVES = (ast.Constant, ast.Pass, ast.Break, ast.Continue)
_MARKS = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)


class Walk(Definitions):
    """Visits a module once; afterwards `frames`, `functions`, `classes` and `imports` hold what was seen."""


def _handlers(names: bool) -> dict[type, Handler | None]:
    """Return what visits each kind of node; None for leaves, to which names belong where nobody asks for them."""
    table: dict[type, Handler | None] = {
        kind: getattr(Walk, f"visit_{name}", Walk.visit_fields)
        for name, kind in vars(ast).items()
        if isinstance(kind, type) and issubclass(kind, ast.AST)
    }
    leaves = [kind for kind in table if issubclass(kind, _MARKS)]
    table.update(dict.fromkeys((*leaves, *_LEAVES, *(() if names else (ast.Name,)))))
    return table


Walk.plain = _handlers(names=False)
Walk.nested = _handlers(names=True)
