"""Move a removal into `finally`, where what lies between it and the insertion stands in the same block."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from leakaudit.findings import Finding, Fix, Location
from leakaudit.fixes.rewrite import code, enclosing, rewrite
from leakaudit.scan.module import Module


def into_finally(finding: Finding, module: Module) -> Fix | None:
    """Return the fix, which is unsafe: an entry that was to stay after a failure no longer does."""
    if len(finding.related) != 2 or any(item.location.path != module.path for item in finding.related):
        return None
    grown, removed = (_line_at(module, item.location) for item in finding.related)
    block = module.parent(removed) if removed is not None else None
    if (
        grown is None
        or removed is None
        or not isinstance(block, cst.IndentedBlock)
        or grown not in block.body
    ):
        return None
    removal = _removal(removed)
    start, end = block.body.index(grown) + 1, block.body.index(removed)
    if removal is None or start >= end:
        return None
    finalbody = removed.with_changes(body=[removal])

    def rebuilt(body: cst.IndentedBlock) -> cst.IndentedBlock:
        first, *rest = body.body[start:end]
        inner = cst.IndentedBlock([first.with_changes(leading_lines=()), *rest])
        attempt = cst.Try(
            inner,
            finalbody=cst.Finally(cst.IndentedBlock([finalbody])),
            leading_lines=getattr(first, "leading_lines", ()),
        )
        return body.with_changes(body=(*body.body[:start], attempt, *body.body[end + 1 :]))

    changed = rewrite(module.tree, {block: rebuilt})
    return module.fix("take the entry out in `finally`", changed, safe=False)


def _line_at(module: Module, place: Location) -> cst.SimpleStatementLine | None:
    """Return the line of one statement that starts at a place, or holds what starts there."""
    node = module.node_at(place, cst.SimpleStatementLine, cst.BaseSmallStatement, cst.BaseExpression)
    line = (
        node
        if isinstance(node, cst.SimpleStatementLine) or node is None
        else enclosing(module, node, cst.SimpleStatementLine)
    )
    return line if line is not None and len(line.body) == 1 else None


def _removal(line: cst.SimpleStatementLine) -> cst.BaseSmallStatement | None:
    """Return the removal as one that does not mind if the entry is gone already, None if its result is used."""
    statement = line.body[0]
    if m.matches(statement, m.Del(m.Subscript(slice=[m.SubscriptElement(m.Index())]))):
        target = cst.ensure_type(cst.ensure_type(statement, cst.Del).target, cst.Subscript)
        key = cst.ensure_type(target.slice[0].slice, cst.Index).value
        return cst.ensure_type(
            cst.parse_statement(f"{code(target.value)}.pop({code(key)}, None)"), cst.SimpleStatementLine
        ).body[0]
    if not m.matches(statement, m.Expr(m.Call(func=m.Attribute(attr=m.Name("pop"))))):
        return None
    call = cst.ensure_type(cst.ensure_type(statement, cst.Expr).value, cst.Call)
    if len(call.args) == 1:
        call = call.with_changes(args=(*call.args, cst.Arg(cst.Name("None"))))
    return cst.Expr(call)
