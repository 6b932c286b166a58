"""Where the source of the target's modules declares a name: a global, an attribute, a parameter, a function."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leakaudit.runtime.source import in_package

Place = tuple[Path, int]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of all modules that the target has loaded, and the folders of its standard library."""

    files: Mapping[str, Path]
    library: tuple[Path, ...]
    _trees: dict[Path, ast.Module | None] = field(default_factory=dict)  # as long as an audit; read on demand

    def is_standard(self, module: str) -> bool:
        """Tell whether a module belongs to Python itself."""
        path = self.files.get(module)
        if path is None:
            return module != "__main__"
        return not in_package(path) and any(folder in path.parents for folder in self.library)

    def declaration(self, module: str, owner: str, name: str) -> Place | None:
        """Return file and line at which a module, class or function (`owner`) declares a name; None if not found."""
        path = self.files.get(module)
        tree = self._tree(path) if path is not None else None
        if path is None or tree is None:
            return None
        line = declared(tree, owner, name)
        return (path, line) if line is not None else None

    def _tree(self, path: Path) -> ast.Module | None:
        if path not in self._trees:
            self._trees[path] = _parsed(path)
        return self._trees[path]


def _parsed(path: Path) -> ast.Module | None:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def declared(tree: ast.Module, owner: str, name: str) -> int | None:
    """Return the line at which a qualified owner, or the module itself where that is empty, declares a name."""
    scope: ast.AST = tree
    for part in filter(None, owner.split(".")):
        if part != "<locals>":
            found = next((node for node in ast.walk(scope) if _defines(node, part)), None)
            if found is None:
                return None
            scope = found
    return min(_lines(scope, name), default=None)


def _lines(scope: ast.AST, name: str) -> Iterator[int]:
    own = list(_inside(scope))
    if isinstance(scope, _FUNCTIONS):
        arguments = scope.args
        parameters = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        yield from (item.lineno for item in parameters if item.arg == name)
    yield from (node.lineno for node in own if _assigns(node, name) or _defines(node, name))
    if isinstance(scope, ast.ClassDef):
        plain = {name, _unmangled(scope.name, name)}
        yield from (
            node.lineno
            for node in ast.walk(scope)
            if isinstance(node, ast.stmt) and _assigns_attribute(node, plain)
        )


def _inside(scope: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements of a scope, those of functions and classes inside left out."""
    todo = list(ast.iter_child_nodes(scope))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, _SCOPES):
            todo += ast.iter_child_nodes(node)


def _defines(node: ast.AST, name: str) -> bool:
    return isinstance(node, _SCOPES) and node.name == name


def _assigns(node: ast.AST, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in _targets(node))


def _assigns_attribute(node: ast.AST, names: Iterable[str]) -> bool:
    return any(isinstance(target, ast.Attribute) and target.attr in names for target in _targets(node))


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    found = node.targets if isinstance(node, ast.Assign) else ()
    for target in (node.target,) if isinstance(node, ast.AnnAssign) else found:
        yield from target.elts if isinstance(target, ast.Tuple | ast.List) else (target,)


def _unmangled(owner: str, name: str) -> str:
    return name.removeprefix(f"_{owner.lstrip('_')}") if name.startswith("_") else name
