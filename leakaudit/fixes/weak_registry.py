"""Hold instances weakly: a registry of `self` becomes a WeakSet, or a dict that is weak in its values."""

from __future__ import annotations

from typing import Any

import libcst as cst
import libcst.matchers as m

from leakaudit.findings import Finding, Fix
from leakaudit.fixes.rewrite import Becomes, enclosing, findall, last_name, rewrite, with_import
from leakaudit.scan.module import Module

_EMPTY_LIST = m.List(elements=[]) | m.Call(func=m.Name("list"), args=[])
_EMPTY_SET = m.Call(func=m.Name("set"), args=[])
_EMPTY_DICT = m.Dict(elements=[]) | m.Call(func=m.Name("dict"), args=[])
#: Instances of these, and of classes derived from them, cannot be held weakly.
_SOLID = m.Arg(
    m.OneOf(*(m.Name(name) for name in ("tuple", "int", "str", "bytes", "float", "NamedTuple", "bool")))
)
#: What a list and a WeakSet both can.
_READERS = m.OneOf(
    *(m.Name(name) for name in ("len", "list", "tuple", "set", "sorted", "iter", "any", "all"))
)
_SHARED = frozenset({"append", "remove", "clear"})


def held_weakly(finding: Finding, module: Module) -> Fix | None:
    """Return the fix, which is unsafe: an instance that nothing else holds goes away at once."""
    made = module.node_at(finding.location, cst.Assign)
    added = _addition(finding, module)
    cls = enclosing(module, added, cst.ClassDef) if added is not None else None
    if (
        made is None
        or len(made.targets) != 1
        or cls is None
        or findall(cls, m.AssignTarget(m.Name("__slots__")))
    ):
        return None
    name = last_name(made.targets[0].target)
    kind = _kind(made.value, added, cls)
    if not kind or any(m.matches(base, _SOLID) for base in cls.bases):
        return None
    changes: dict[cst.CSTNode, Becomes] = {made.value: lambda _: cst.parse_expression(f"weakref.{kind}()")}
    if m.matches(made.value, _EMPTY_LIST):
        appends = _appends(module, name, made)
        if appends is None:
            return None
        changes.update(dict.fromkeys(appends, lambda _: cst.Name("add")))
    changed = with_import(rewrite(module.tree, changes), "weakref")
    return module.fix(f"hold the instances weakly: `weakref.{kind}`", changed, safe=False)


def _addition(finding: Finding, module: Module) -> Any:
    """Return the call or assignment by which an instance adds itself, None if it is in another file."""
    for related in finding.related:
        if related.message.startswith("each ") and related.location.path == module.path:
            return module.node_at(related.location, cst.Call, cst.Assign)
    return None


def _kind(made: cst.BaseExpression, added: Any, cls: cst.ClassDef) -> str:
    """Return the weak container that takes the place of an empty one, "" if there is none."""
    if isinstance(added, cst.Assign) and m.matches(made, _EMPTY_DICT):
        return "WeakValueDictionary" if m.matches(added.value, m.Name("self")) else ""
    plain = m.matches(made, _EMPTY_LIST | _EMPTY_SET) and not _has_own_hash(cls)
    return "WeakSet" if plain and isinstance(added, cst.Call) else ""


def _has_own_hash(cls: cst.ClassDef) -> bool:
    """Tell whether instances are compared by value, so that a set would take two for one, or none at all."""
    dataclass = m.Decorator(
        m.Name("dataclass")
        | m.Call(func=m.Name("dataclass"))
        | m.Attribute(attr=m.Name("dataclass"))
        | m.Call(func=m.Attribute(attr=m.Name("dataclass")))
    )
    return bool(findall(cls, m.FunctionDef(name=m.Name("__eq__") | m.Name("__hash__")), dataclass))


def _appends(module: Module, name: str, made: cst.Assign) -> list[cst.CSTNode] | None:
    """Return the `append` names of all calls on a list, None if it is used in a way that a set cannot follow."""
    found: list[cst.CSTNode] = []
    for node in findall(module.tree, m.Attribute(attr=m.Name(name)), m.Name(name)):
        parent = module.parent(node)
        if isinstance(parent, cst.Attribute) and parent.attr is node:
            continue  # seen as the whole attribute
        if isinstance(parent, cst.AssignTarget) and module.parent(parent) is made:
            continue
        if isinstance(parent, cst.Attribute) and parent.attr.value in _SHARED:
            found += [parent.attr] if parent.attr.value == "append" else []
        elif not isinstance(parent, (cst.For, cst.CompFor)) and not _is_asked(module, parent):
            return None
    return found


def _is_asked(module: Module, parent: cst.CSTNode | None) -> bool:
    """Tell whether a container is only measured, copied, or asked whether it holds something."""
    if isinstance(parent, cst.Arg):
        return m.matches(module.parent(parent) or parent, m.Call(func=_READERS))
    return isinstance(parent, cst.ComparisonTarget) and isinstance(parent.operator, (cst.In, cst.NotIn))
