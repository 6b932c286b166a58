"""Give a function cache a maximum: `@cache` and `lru_cache(maxsize=None)` become `lru_cache(maxsize=128)`."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from leakaudit.findings import Finding, Fix
from leakaudit.fixes.rewrite import Becomes, findall, last_name, rewrite, with_import
from leakaudit.scan.module import Module

#: The default of functools.lru_cache.
MAXIMUM = "128"
_UNLIMITED = m.Arg(value=m.Name("None"), keyword=None) | m.Arg(
    value=m.Name("None"), keyword=m.Name("maxsize")
)


def bounded(finding: Finding, module: Module) -> Fix | None:
    """Return the fix, which is unsafe: whoever relied on getting the very same object for ever may not."""
    decorator = module.node_at(finding.location, cst.Name, cst.Attribute, cst.Call)
    if isinstance(decorator, cst.Call):
        changed = _with_maximum(decorator, module.tree) if last_name(decorator.func) == "lru_cache" else None
    else:
        changed = _not_cache(decorator, module.tree)
    if changed is None:
        return None
    return module.fix(f"keep the {MAXIMUM} results used last", changed, safe=False)


def _with_maximum(call: cst.Call, tree: cst.Module) -> cst.Module | None:
    arguments = [arg for arg in call.args if m.matches(arg, _UNLIMITED)]
    if len(arguments) != 1:
        return None
    return rewrite(tree, {arguments[0].value: lambda _: cst.Integer(MAXIMUM)})


def _not_cache(decorator: cst.CSTNode | None, tree: cst.Module) -> cst.Module | None:
    """Replace `functools.cache`, or `cache` as imported from functools; an import that nothing else uses goes over."""
    argument = cst.Arg(cst.Integer(MAXIMUM), keyword=cst.Name("maxsize"), equal=_TIGHT)
    if m.matches(decorator or cst.Pass(), m.Attribute(value=m.Name("functools"), attr=m.Name("cache"))):
        assert decorator is not None
        return rewrite(
            tree, {decorator: lambda d: cst.Call(d.with_changes(attr=cst.Name("lru_cache")), [argument])}
        )
    imports = findall(
        tree, m.ImportFrom(module=m.Name("functools"), names=[m.ZeroOrMore(), _PLAIN, m.ZeroOrMore()])
    )
    if not isinstance(decorator, cst.Name) or decorator.value != "cache" or len(imports) != 1:
        return None
    changes: dict[cst.CSTNode, Becomes] = {decorator: lambda _: cst.Call(cst.Name("lru_cache"), [argument])}
    (alias,) = (name for name in imports[0].names if m.matches(name, _PLAIN))
    others = [name for name in findall(tree, m.Name("cache")) if name not in (decorator, alias.name)]
    imported = any(
        m.matches(name, m.ImportAlias(m.Name("lru_cache"), asname=None)) for name in imports[0].names
    )
    if not others and not imported:
        return rewrite(tree, {**changes, alias.name: lambda _: cst.Name("lru_cache")})
    return with_import(rewrite(tree, changes), "functools", "lru_cache")


_TIGHT = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
_PLAIN = m.ImportAlias(name=m.Name("cache"), asname=None)
