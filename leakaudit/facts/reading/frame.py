"""Lexical scopes during the walk: what a name is bound to, and whose attribute an access path ends in."""

from __future__ import annotations

import ast
from typing import NamedTuple

import msgspec

from leakaudit.facts.reading.expressions import type_name

_ALIAS_HOPS = 4
_ANY = "?"  # an attribute of no special name


class RawEvent(msgspec.Struct, frozen=True, gc=False):
    """An event before its receiver is resolved. `path` is as expressions.access_path gives it."""

    path: str
    op: int
    method: str
    node: ast.expr | ast.stmt
    func: int
    key: ast.AST | None
    value: ast.AST | None
    guards: tuple[ast.AST, ...]
    flags: int


class RawCall(msgspec.Struct, frozen=True, gc=False):
    """A call before its callee is resolved."""

    node: ast.Call
    name: str  # the last part of the callee
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


class Frame(msgspec.Struct, eq=False, gc=False):
    """One function (or the module, or a class body) while it is walked. What most have none of can't be added to in place:
    making and freeing a dozen empty sets per function takes longer than all that goes into them."""

    qualname: str
    kind: str  # "module" | "class" | "function"
    index: int  # of the function; -1 at module and class level
    cls: str = ""  # innermost class qualname, for methods and class bodies
    parent: Frame | None = None
    self_name: str = ""
    cls_name: str = ""
    annotations: dict[str, str] = {}  # parameter or variable -> annotation text
    params: frozenset[str] = frozenset()
    bound: set[str] = set()
    globals: frozenset[str] = frozenset()
    nonlocals: frozenset[str] = frozenset()
    aliases: dict[str, str] = {}
    several: dict[
        str, tuple[str, ...]
    ] = {}  # loop variable -> the containers that it stands for, one after another
    definitions: dict[str, list[ast.AST]] = {}
    loops: dict[str, ast.AST] = {}  # loop variable -> what is iterated
    caught: frozenset[str] = frozenset()  # names bound by `except ... as`
    withs: dict[str, ast.AST] = {}
    functions: dict[str, int] = {}  # nested function name -> index
    classes: frozenset[str] = frozenset()
    loads: set[str] = set()
    taken: frozenset[str] = frozenset()  # names that nested functions take from here or above
    free: frozenset[str] = frozenset()  # of a nested scope: names that it takes from above
    events: list[RawEvent] = []
    calls: list[RawCall] = []
    call_names: set[str] = set()
    loop_names: frozenset[str] = frozenset()
    ref_names: set[str] = set()
    returns: list[ast.AST] = []
    uses: dict[str, int] = {}
    containers: list[tuple[str, ast.AST, ast.AST, str, int]] = []
    stores: list[tuple[str, ast.AST, ast.AST]] = []
    bound_methods: dict[str, ast.Attribute] = {}  # name -> the bound method it stands for
    forever: bool = False
    endless: bool = False
    generator: bool = False
    exits: tuple[ast.AST, ...] = ()
    deleted: frozenset[str] = frozenset()  # names unbound with `del`
    raises: tuple[RawRaise, ...] = ()
    tries: tuple[ast.Try, ...] = ()  # those without `finally`
    owners: dict[str, str] = {}  # kept by owner_of: access path -> owner
    direct_owners: dict[str, str] = {}  # the same, aliases not followed
    tags: dict[tuple[str, int], tuple[str, ...]] = {}  # kept by Origins: (name, depth) -> its origins
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
    if hops == _ALIAS_HOPS:
        known = frame.owners
    elif hops == 0:
        known = frame.direct_owners
    else:
        return _owner(frame, path, imports, hops)
    owner = known.get(path)
    if owner is not None:
        return owner
    root, dot, rest = path.partition(".")
    if dot and not rest.startswith("__"):  # only __class__ and __dict__ mean more than an attribute
        head = root + dot
        prefix = known.get(head)
        if prefix is None:
            prefix = known[head] = _outward(frame, root, head + _ANY, imports, hops).removesuffix(_ANY)
        owner = prefix + rest if prefix else ""
    else:
        owner = _outward(frame, root, path, imports, hops)
    known[path] = owner
    return owner


def _outward(frame: Frame, root: str, path: str, imports: dict[str, str], hops: int) -> str:
    """Answer at once for a plain local, and ask the enclosing scope for what is not bound here: it may know already."""
    if "[" in root:
        root = root.partition("[")[0]
    if root in frame.bound:
        if frame.kind == "function" and _is_plain(frame, root, hops):
            return _local_owner(frame, root, path[len(root) :], path, imports)
        return _owner(frame, path, imports, hops)
    outer = frame.parent
    if outer is None or root in frame.globals or root == "super()":
        return _owner(frame, path, imports, hops)
    while outer.kind == "class" and outer.parent is not None:
        outer = outer.parent
    return owner_of(outer, path, imports, hops)


def _is_plain(frame: Frame, name: str, hops: int) -> bool:
    """Whether a name that a function binds is its own, and stands for nothing else."""
    return not (
        name in (frame.self_name, frame.cls_name)
        or (hops and name in frame.aliases)
        or name in frame.globals
        or name in frame.nonlocals
    )


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
    if not rest.startswith("."):
        return f"l:{scope.qualname}.{path}"
    annotation = scope.annotations.get(root)
    name = type_name(annotation) if annotation else ""
    return f"t:{imported(name, imports)}{rest}" if name else f"?:{path}"


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
