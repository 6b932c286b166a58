"""Let a set forget a task when it is done: `task.add_done_callback(tasks.discard)` after `tasks.add(task)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst
import libcst.matchers as m

from leakaudit.findings import Finding, Fix
from leakaudit.fixes.rewrite import code, enclosing, findall, last_name, names, rewrite
from leakaudit.scan.module import Module

#: What starts a task whose callbacks run in the event loop, and what starts a future whose callbacks run in a thread.
_TASKS = frozenset({"create_task", "ensure_future"})
_FUTURES = frozenset({"submit", "run_coroutine_threadsafe"})
_COPIES = m.Name("list") | m.Name("tuple") | m.Name("set") | m.Name("sorted") | m.Name("frozenset")


def discard_when_done(finding: Finding, module: Module) -> Fix | None:
    """Return the fix where what is added is made in sight; unsafe if it comes from threads or its results are read."""
    place = finding.related[0].location if finding.related else finding.location
    call = module.node_at(place, cst.Call) if place.path == module.path else None
    line = enclosing(module, call, cst.SimpleStatementLine) if call is not None else None
    if call is None or line is None or len(line.body) != 1 or not isinstance(call.func, cst.Attribute):
        return None
    if line.body[0] is not module.parent(call) or call.func.attr.value != "add" or len(call.args) != 1:
        return None
    added = call.args[0].value
    scope = enclosing(module, call, cst.FunctionDef) or module.tree
    maker = _maker(added, scope)
    name = added.value if isinstance(added, cst.Name) else "task" if maker in _TASKS else "future"
    if maker not in _TASKS | _FUTURES or (
        added is not None and not isinstance(added, cst.Name) and name in set(names(scope))
    ):
        return None
    container = code(call.func.value)
    callback = cst.parse_statement(
        f"{name}.add_done_callback({container}.discard)", module.tree.config_for_parsing
    )
    changed = rewrite(
        module.tree, {line: lambda node: cst.FlattenSentinel([*_named(node, added, name), callback])}
    )
    safe = maker in _TASKS and not _is_read(module.tree, container)
    return module.fix(f"take each `{name}` out of `{container}` when it is done", changed, safe=safe)


def _maker(added: cst.BaseExpression, scope: cst.CSTNode) -> str:
    """Return the last name of the function that makes what is added, "" if that is not to be seen."""
    if isinstance(added, cst.Call):
        return last_name(added.func)
    if not isinstance(added, cst.Name):
        return ""
    target = m.AssignTarget(m.Name(added.value))
    values = [assign.value for assign in findall(scope, m.Assign(targets=[target]))]
    makers = {last_name(value.func) if isinstance(value, cst.Call) else "" for value in values}
    return makers.pop() if len(makers) == 1 else ""


def _named(
    line: cst.SimpleStatementLine, added: cst.BaseExpression, name: str
) -> Iterator[cst.BaseStatement]:
    """Yield the line, after one that gives what it adds a name, if it has none."""
    if isinstance(added, cst.Name):
        yield line
        return
    call = cst.ensure_type(cst.ensure_type(line.body[0], cst.Expr).value, cst.Call)
    assign = cst.Assign([cst.AssignTarget(cst.Name(name))], call.args[0].value)
    yield cst.SimpleStatementLine([assign], leading_lines=line.leading_lines)
    adding = call.with_changes(args=[cst.Arg(cst.Name(name))])
    yield line.with_changes(body=[cst.Expr(adding)], leading_lines=())


def _is_read(tree: cst.Module, container: str) -> bool:
    """Tell whether entries are awaited one by one, or their results asked for: then finished ones must not go."""
    it: Any = m.MatchIfTrue(lambda node: code(node) == container)
    entries = it | m.Call(func=_COPIES, args=[m.Arg(it)])
    loops = findall(
        tree,
        m.For(iter=entries),
        m.ListComp(for_in=m.CompFor(iter=entries)),
        m.SetComp(for_in=m.CompFor(iter=entries)),
        m.GeneratorExp(for_in=m.CompFor(iter=entries)),
    )
    asked = m.Attribute(attr=m.Name("result") | m.Name("exception"))
    if any(findall(loop, m.Await(), asked) for loop in loops):
        return True
    gathered = m.Await(m.Call(args=[m.ZeroOrMore(), m.Arg(entries, star="*"), m.ZeroOrMore()]))
    dropped = [statement.value for statement in findall(tree, m.Expr(gathered))]
    return any(item not in dropped for item in findall(tree, gathered))
