"""What the fixes share: replace nodes of a tree, and look around in one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import libcst as cst
import libcst.matchers as m

from leakaudit.scan.module import Module

_Node = TypeVar("_Node", bound=cst.CSTNode)
#: What a node becomes: given the node with its children already changed.
Becomes = Callable[[Any], cst.CSTNode | cst.FlattenSentinel[Any]]


class _Rewrite(cst.CSTTransformer):
    def __init__(self, changes: Mapping[cst.CSTNode, Becomes]) -> None:
        super().__init__()
        self._changes = changes

    def on_leave(self, original_node: cst.CSTNodeT, updated_node: cst.CSTNodeT) -> Any:
        change = self._changes.get(original_node)
        return updated_node if change is None else change(updated_node)


def rewrite(tree: cst.Module, changes: Mapping[cst.CSTNode, Becomes]) -> cst.Module:
    """Return the tree with these nodes (of the tree itself) changed, and all else as it was."""
    changed = tree.visit(_Rewrite(changes))
    assert isinstance(changed, cst.Module)
    return changed


def names(node: cst.CSTNode) -> Iterator[str]:
    """Yield the plain names that a node reads or binds; attributes and keywords are none."""
    skipped = {a.attr for a in findall(node, m.Attribute())} | {
        a.keyword for a in findall(node, m.Arg(keyword=m.Name()))
    }
    yield from (n.value for n in findall(node, m.Name()) if n not in skipped)


def findall(node: cst.CSTNode, *matchers: m.BaseMatcherNode) -> list[Any]:
    """Return the nodes that match any of the matchers, in the order of the text."""
    found: Iterable[Any] = m.findall(node, m.OneOf(*matchers) if len(matchers) > 1 else matchers[0])
    return list(found)


def last_name(node: cst.BaseExpression) -> str:
    """Return `c` of `a.b.c`, `a` of `a`, "" of anything else."""
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def enclosing(module: Module, node: cst.CSTNode, kind: type[_Node]) -> _Node | None:
    """Return the nearest part of the tree of that kind that a node stands in."""
    current = module.parent(node)
    while current is not None and not isinstance(current, kind):
        current = module.parent(current)
    return current


def code(node: cst.CSTNode) -> str:
    """Return the source of a node."""
    return cst.Module([]).code_for_node(node)


def with_import(tree: cst.Module, module: str, name: str | None = None) -> cst.Module:
    """Return the tree with `import module`, or `from module import name`, unless it has that."""
    from libcst.codemod import CodemodContext
    from libcst.codemod.visitors import AddImportsVisitor

    context = CodemodContext()
    AddImportsVisitor.add_needed_import(context, module, name)
    return AddImportsVisitor(context).transform_module(tree)
