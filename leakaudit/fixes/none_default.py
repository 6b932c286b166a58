"""Make a mutable default argument anew in each call: `x=[]` becomes `x=None` and `if x is None: x = []`."""

from __future__ import annotations

import re

import libcst as cst
import libcst.matchers as m

from leakaudit.findings import Finding, Fix
from leakaudit.fixes.rewrite import findall, last_name, names, rewrite
from leakaudit.scan.module import Module

#: What a default may be made of, so that it means the same inside the function.
_MAKERS = frozenset(
    "dict list set tuple str int float bool frozenset bytes bytearray object defaultdict OrderedDict Counter deque collections None True False".split()
)
#: Decorators that do not look at defaults.
_HARMLESS = frozenset(
    "staticmethod classmethod property override abstractmethod contextmanager asynccontextmanager wraps final coroutine".split()
)
_OPTIONAL = re.compile(r"^from typing import [^\n]*\bOptional\b", re.MULTILINE)


def none_default(finding: Finding, module: Module) -> Fix | None:
    """Return the fix, None for a cache; it is unsafe where the default may be meant to remember in another way."""
    default = module.node_at(finding.location, cst.List, cst.Dict, cst.Set, cst.Call)
    parameter = module.parent(default) if default is not None else None
    if default is None or not isinstance(parameter, cst.Param):
        return None
    signature = module.parent(parameter)
    function = module.parent(signature) if signature is not None else None
    if not isinstance(function, cst.FunctionDef) or not isinstance(function.body, cst.IndentedBlock):
        return None
    if not set(names(default)) <= _MAKERS - _bound(function):
        return None
    name = parameter.name.value
    if _is_cache(function, name):
        return None
    changed = rewrite(
        module.tree,
        {
            parameter: lambda p: _without_default(p, module.text),
            function.body: lambda b: _with_test(b, name, default, module.tree),
        },
    )
    return module.fix(
        f"default `{name}` to None and make it anew in each call",
        changed,
        safe=not _remembers(function, name),
    )


def _bound(function: cst.FunctionDef) -> set[str]:
    """Return the names that mean something else inside the function: parameters, and what it assigns."""
    targets = findall(
        function.body, m.AssignTarget(m.Name()), m.AnnAssign(m.Name()), m.For(m.Name()), m.NamedExpr(m.Name())
    )
    parameters = [parameter.name for parameter in findall(function.params, m.Param())]
    return {name.value for name in (*(t.target for t in targets), *parameters)}


def _without_default(parameter: cst.Param, text: str) -> cst.Param:
    annotation = parameter.annotation
    if annotation is not None and not findall(annotation, m.Name("None"), m.Name("Optional")):
        given = annotation.annotation
        if "| None" in text and not isinstance(given, (cst.SimpleString, cst.ConcatenatedString)):
            optional: cst.BaseExpression = cst.BinaryOperation(given, cst.BitOr(), cst.Name("None"))
            annotation = annotation.with_changes(annotation=optional)
        elif _OPTIONAL.search(text):
            index = cst.SubscriptElement(cst.Index(given))
            annotation = annotation.with_changes(annotation=cst.Subscript(cst.Name("Optional"), [index]))
    return parameter.with_changes(default=cst.Name("None"), annotation=annotation)


def _with_test(
    body: cst.IndentedBlock, name: str, default: cst.BaseExpression, tree: cst.Module
) -> cst.IndentedBlock:
    config = tree.config_for_parsing
    end, indent = config.default_newline, config.default_indent
    text = f"if {name} is None:{end}{indent}{name} = {tree.code_for_node(default)}{end}"
    test = cst.parse_statement(text, config)
    documented = bool(body.body) and m.matches(body.body[0], _DOCSTRING)
    before, after = body.body[:documented], body.body[documented:]
    if documented and after and all(line.comment is None for line in _leading(after[0])):
        test = test.with_changes(leading_lines=_leading(after[0]))
        after = (after[0].with_changes(leading_lines=()), *after[1:])
    return body.with_changes(body=(*before, test, *after))


_DOCSTRING = m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())])


def _leading(statement: cst.BaseStatement) -> tuple[cst.EmptyLine, ...]:
    return tuple(getattr(statement, "leading_lines", ()))


def _is_cache(function: cst.FunctionDef, name: str) -> bool:
    """Tell whether what earlier calls put in is looked up."""
    it = m.Name(name)
    lookups = (
        m.ComparisonTarget(operator=m.In() | m.NotIn(), comparator=it),
        m.Call(
            func=m.Attribute(value=it, attr=m.Name("get") | m.Name("setdefault") | m.Name("__contains__"))
        ),
    )
    stored = [target.target for target in findall(function.body, m.AssignTarget(m.Subscript(value=it)))]
    read = [item for item in findall(function.body, m.Subscript(value=it)) if item not in stored]
    return bool(read or findall(function.body, *lookups))


def _remembers(function: cst.FunctionDef, name: str) -> bool:
    """Tell whether calls may rely on what earlier calls put in: it is measured, or left to a decorator or a recursion."""
    for decorator in function.decorators:
        made = decorator.decorator.func if isinstance(decorator.decorator, cst.Call) else decorator.decorator
        if last_name(made) not in _HARMLESS:
            return True
    it = m.Name(name)
    looks = (
        m.Call(func=m.Name("len") | m.Name("bool"), args=[m.Arg(it)]),
        m.UnaryOperation(operator=m.Not(), expression=it),
        m.If(test=it) | m.While(test=it) | m.IfExp(test=it),
        m.BooleanOperation(left=it) | m.BooleanOperation(right=it),
    )
    return bool(findall(function.body, *looks)) or any(
        last_name(call.func) == function.name.value and name not in set(names(call))
        for call in findall(function.body, m.Call())
    )
