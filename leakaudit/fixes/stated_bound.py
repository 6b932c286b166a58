"""Give a deque the bound that the code states for it: `len(seen) > LIMIT` makes `deque(maxlen=LIMIT)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst
import libcst.matchers as m

from leakaudit.findings import Finding, Fix
from leakaudit.fixes.rewrite import code, findall, last_name, rewrite
from leakaudit.scan.module import Module

_ABOVE = m.GreaterThan() | m.GreaterThanEqual()
_BELOW = m.LessThan() | m.LessThanEqual()


def with_stated_bound(finding: Finding, module: Module) -> Fix | None:
    """Return the fix where exactly one bound is stated: a number, or a constant that exists before the deque does."""
    made: cst.Assign | cst.AnnAssign | None = module.node_at(finding.location, cst.Assign, cst.AnnAssign)
    call = made.value if made is not None else None
    if made is None or not isinstance(call, cst.Call) or last_name(call.func) != "deque" or call.args:
        return None
    target = made.target if isinstance(made, cst.AnnAssign) else made.targets[0].target
    bounds = set(_bounds(module, last_name(target)))
    if len(bounds) != 1:
        return None
    bound = bounds.pop()
    if not bound.isdecimal() and not _exists_before(module, bound, finding.location.line):
        return None
    value = cst.parse_expression(bound)
    changed = rewrite(
        module.tree, {call: lambda c: c.with_changes(args=[cst.Arg(value, cst.Name("maxlen"), _TIGHT)])}
    )
    return module.fix(f"keep no more than `{bound}`, as the code says", changed, safe=True)


def _bounds(module: Module, name: str) -> Iterator[str]:
    """Yield what the length of `name` is compared with, "" for anything but a number or a constant."""
    it = m.Name(name) | m.Attribute(value=m.Name("self") | m.Name("cls"), attr=m.Name(name))
    length = m.Call(func=m.Name("len"), args=[m.Arg(it)])
    for test in findall(module.tree, m.Comparison()):
        right = test.comparisons[0]
        if len(test.comparisons) == 1 and m.matches(test.left, length) and m.matches(right.operator, _ABOVE):
            yield _limit(right.comparator)
        elif (
            len(test.comparisons) == 1
            and m.matches(right.comparator, length)
            and m.matches(right.operator, _BELOW)
        ):
            yield _limit(test.left)
        elif findall(test, length):
            yield ""


def _limit(node: cst.BaseExpression) -> str:
    text = code(node)
    return text if m.matches(node, m.Integer() | m.Name()) and (text.isdecimal() or text.isupper()) else ""


def _exists_before(module: Module, name: str, line: int) -> bool:
    """Tell whether a module-level constant is bound once, above a line."""
    assigned: list[Any] = findall(module.tree, m.AssignTarget(m.Name(name)), m.AnnAssign(m.Name(name)))
    top = [statement for statement in module.tree.body if isinstance(statement, cst.SimpleStatementLine)]
    own = [
        item
        for statement in top
        for item in findall(statement, m.AssignTarget(m.Name(name)), m.AnnAssign(m.Name(name)))
    ]
    return len(assigned) == 1 and own == assigned and module.location(assigned[0].target).line < line


_TIGHT = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
