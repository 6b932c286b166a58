"""Lexical scopes during the walk: what a name is bound to, and whose attribute an access path ends in."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from leakaudit.facts.expressions import type_name

_ALIAS_HOPS = 4


class RawEvent(msgspec.Struct, frozen=True, gc=False):
    """An event before its receiver is resolved. `path` is as expressions.access_path gives it."""

    path: str
    op: int
    method: str
    node: ast.AST
    func: int
    key: ast.AST | None
    value: ast.AST | None
    guards: tuple[ast.AST, ...]
    flags: int


class RawCall(msgspec.Struct, frozen=True, gc=False):
    """A call before its callee is resolved."""

    node: ast.Call
    func: int
    usage: str
    guards: tuple[ast.AST, ...]
    flags: int


class RawRaise(NamedTuple):
    """A `raise` of something that exists already, before it is resolved."""

    path: str
    node: ast.expr
    guards: tuple[ast.AST, ...]
    flags: int


@dataclass(slots=True)
class Frame:
    """One function (or the module, or a class body) while it is walked."""

    qualname: str
    kind: str  # "module" | "class" | "function"
    index: int  # of the function; -1 at module and class level
    cls: str = ""  # innermost class qualname, for methods and class bodies
    parent: Frame | None = None
    self_name: str = ""
    cls_name: str = ""
    annotations: dict[str, str] = field(default_factory=dict)  # parameter or variable -> annotation text
    params: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, list[ast.AST]] = field(default_factory=dict)
    loops: dict[str, ast.AST] = field(default_factory=dict)  # loop variable -> what is iterated
    caught: set[str] = field(default_factory=set)  # names bound by `except ... as`
    withs: dict[str, ast.AST] = field(default_factory=dict)
    functions: dict[str, int] = field(default_factory=dict)  # nested function name -> index
    classes: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)  # names that nested functions take from here or above
    free: set[str] = field(default_factory=set)  # of a nested scope: names that it takes from above
    events: list[RawEvent] = field(default_factory=list)
    calls: list[RawCall] = field(default_factory=list)
    call_names: set[str] = field(default_factory=set)
    loop_names: set[str] = field(default_factory=set)
    ref_names: set[str] = field(default_factory=set)
    returns: list[ast.AST] = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)
    containers: list[tuple[str, ast.AST, ast.AST, str, int]] = field(default_factory=list)
    stores: list[tuple[str, ast.AST, ast.AST]] = field(default_factory=list)
    bound_methods: dict[str, ast.Attribute] = field(
        default_factory=dict
    )  # name -> the bound method it stands for
    forever: bool = False
    endless: bool = False
    generator: bool = False
    exits: list[ast.AST] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)  # names unbound with `del`
    raises: list[RawRaise] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)  # kept by owner_of: access path -> owner
    direct_owners: dict[str, str] = field(default_factory=dict)  # the same, aliases not followed
    nested: bool = False  # inside a function; only then `loads` and `free` are kept

    def is_local(self, name: str) -> bool:
        """Tell whether `name` is bound in this very scope."""
        return name in self.bound and name not in self.globals and name not in self.nonlocals


def scope_of(frame: Frame, name: str) -> Frame | None:
    """Return the scope that binds `name` as Python would find it, or None for a builtin. Class bodies are skipped
    except from themselves."""
    current: Frame | None = frame
    while current is not None:
        if current.globals and name in current.globals:
            while current.parent is not None:
                current = current.parent
            return current
        if (
            name in current.bound
            and (current.kind != "class" or current is frame)
            and name not in current.nonlocals
        ):
            return current
        current = current.parent
    return None


def owner_of(frame: Frame, path: str, imports: dict[str, str], hops: int = _ALIAS_HOPS) -> str:
    """Resolve an access path to an owner string (see facts.model), trailing `[]` kept; "" when it is nobody's.

    Asked after the walk only: a frame remembers its answers.
    """
    known = frame.owners if hops == _ALIAS_HOPS else frame.direct_owners if hops == 0 else {}
    owner = known.get(path)
    if owner is None:
        owner = known[path] = _owner(frame, path, imports, hops)
    return owner


def _owner(frame: Frame, path: str, imports: dict[str, str], hops: int) -> str:
    if not path:
        return ""
    root, rest = _split(path)
    if root == "super()":
        method = _method_frame(frame)
        return f"i:{method.cls}{rest}" if method is not None and rest else ""
    scope = scope_of(frame, root)
    if scope is None:
        return f"x:{imports[root]}{rest}" if root in imports else ""
    kind = scope.kind
    if kind == "function":
        if root == scope.self_name:
            return _self_owner(scope, rest)
        if root == scope.cls_name:
            return _class_owner(scope, rest)
    if hops and root in scope.aliases:
        target = scope.aliases[root]
        if _split(target)[0] != root:
            found = owner_of(scope, target + rest, imports, hops - 1)
            if found and not (rest == "" and found.startswith("?:")):
                return found
    if kind == "function":
        return _local_owner(scope, root, rest, path, imports)
    if kind == "class":
        return f"c:{scope.cls}.{path}"
    if root in imports and root not in scope.definitions:
        return f"x:{imports[root]}{rest}"
    if root in scope.classes and rest.startswith("."):
        return f"c:{root}{rest}"
    return f"m:{path}"


def _self_owner(scope: Frame, rest: str) -> str:
    if rest.startswith(".__class__"):
        return _class_owner(scope, rest[len(".__class__") :])
    if rest.startswith(".__dict__"):
        rest = "." + rest[len(".__dict__") :].lstrip(".")
    return f"i:{scope.cls}{rest}" if rest else f"self:{scope.cls}"


def _local_owner(scope: Frame, root: str, rest: str, path: str, imports: dict[str, str]) -> str:
    if rest.startswith("."):
        annotation = scope.annotations.get(root, "")
        if annotation:
            name = type_name(annotation)
            return f"t:{imported(name, imports)}{rest}" if name else f"?:{path}"
        return f"?:{path}"
    return f"l:{scope.qualname}.{path}"


def imported(name: str, imports: dict[str, str]) -> str:
    """Return a dotted name with its root replaced by what was imported under it."""
    root, _, rest = name.partition(".")
    if root in imports:
        return imports[root] + (f".{rest}" if rest else "")
    return name


def _split(path: str) -> tuple[str, str]:
    root = path.partition(".")[0].partition("[")[0]
    return root, path[len(root) :]


def _class_owner(scope: Frame, rest: str) -> str:
    return f"c:{scope.cls}{rest}" if rest else f"cls:{scope.cls}"


def _method_frame(frame: Frame) -> Frame | None:
    current: Frame | None = frame
    while current is not None:
        if current.kind == "function" and current.self_name:
            return current
        current = current.parent
    return None
