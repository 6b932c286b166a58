"""Keep a tensor without its graph: `total += loss` becomes `total += loss.detach()`."""

from __future__ import annotations

import re

import libcst as cst
import libcst.matchers as m

from leakaudit.findings import Finding, Fix
from leakaudit.fixes.rewrite import code, findall, names, rewrite
from leakaudit.scan.module import Module

_DISPLAYS = (cst.Tuple, cst.List, cst.Set, cst.Dict, cst.GeneratorExp, cst.ListComp)
_ATOMS = (cst.Name, cst.Attribute, cst.Subscript, cst.Call)
_Keeping = cst.AugAssign | cst.Assign | cst.Call
_SECOND_ORDER = re.compile(r"\b(retain_graph|create_graph|autograd\.grad)\b")


def detached(finding: Finding, module: Module) -> Fix | None:
    """Return the fix; unsafe unless `backward()` runs on what is kept, and none may run later on what keeps it."""
    kept: _Keeping | None = module.node_at(finding.location, cst.AugAssign, cst.Assign, cst.Call)
    if isinstance(kept, cst.Call):
        value = kept.args[0].value if len(kept.args) == 1 and _adds_one(kept) else None
    else:
        value = kept.value if kept is not None else None
    if kept is None or value is None or isinstance(value, _DISPLAYS) or not _in_sight(finding, module):
        return None
    changed = rewrite(module.tree, {value: _detach})
    keeper = _keeper(kept)
    safe = (
        bool(set(names(value)) & _trained(module.tree))
        and not _SECOND_ORDER.search(module.text)
        and not re.search(
            rf"(?<![\w.]){re.escape(keeper)}(\[[^\]]*\])?\.backward\(|backward\({re.escape(keeper)}\b",
            module.text,
        )
    )
    text = " ".join(code(value).split())
    return module.fix(f"keep `{text}` without its graph", changed, safe=safe)


def _in_sight(finding: Finding, module: Module) -> bool:
    """Tell whether the step itself runs `backward()`; what a framework does it to may be a dict of tensors."""
    steps = (item.location.line for item in finding.related if item.location.path == module.path)
    return any("backward" in module.lines[line - 1] for line in steps)


def _adds_one(call: cst.Call) -> bool:
    return isinstance(call.func, cst.Attribute) and call.func.attr.value in {"append", "add", "appendleft"}


def _keeper(kept: _Keeping) -> str:
    if isinstance(kept, cst.Call):
        return code(cst.ensure_type(kept.func, cst.Attribute).value)
    return code(kept.target if isinstance(kept, cst.AugAssign) else kept.targets[0].target)


def _trained(tree: cst.Module) -> set[str]:
    """Return the names that `backward()` is called on, or given."""
    calls = findall(tree, m.Call(func=m.Attribute(attr=m.Name("backward") | m.Name("manual_backward"))))
    return {name for call in calls for name in names(call)} - {"self"}


def _detach(value: cst.BaseExpression) -> cst.BaseExpression:
    if not isinstance(value, _ATOMS) and not value.lpar:
        value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.Call(cst.Attribute(value, cst.Name("detach")))
