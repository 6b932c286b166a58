"""Turn one file's text into FileFacts: parse, walk, resolve every receiver to its owner."""

from __future__ import annotations

import ast
import contextlib
import sys
import warnings
from collections.abc import Iterable, Iterator

import msgspec

from leakaudit.errors import SourceError
from leakaudit.facts.cancelling import skipped_by_cancel
from leakaudit.facts.containers import describe
from leakaudit.facts.expressions import annotation_text, defaults_of, dotted, position, short_text, type_name
from leakaudit.facts.frame import Frame, RawCall, RawEvent, imported, owner_of, scope_of
from leakaudit.facts.graphs import kept_graphs
from leakaudit.facts.holdings import holdings
from leakaudit.facts.model import Call, Container, Event, FileFacts, Flag, Function, Op, Param
from leakaudit.facts.origins import Origins
from leakaudit.facts.races import races
from leakaudit.facts.raises import raises
from leakaudit.facts.rebinding import rebind_op
from leakaudit.facts.tables import CONTAINER_CALLS
from leakaudit.facts.walk import Walk
from leakaudit.findings import suppression
from leakaudit.source.classify import is_generated

_KEPT = ("i:", "c:", "m:", "x:", "t:", "?:")
_LASTING = frozenset(("i:", "c:", "m:", "x:"))
_FOREIGN = ("x:", "t:", "?:")
_QUIET_OPS = (Op.MEASURE, Op.READ_GROW)
_KEYED_OPS = (Op.GROW, Op.SHRINK, Op.READ_GROW)


#: Frames that the walk may take: far more than real code nests, far less than would exhaust the stack.
_RECURSION = 8000


def extract(text: str) -> FileFacts:
    """Return the facts of a module; raise SourceError (cause only) when it does not parse."""
    with parsing():
        return facts_of(text)


@contextlib.contextmanager
def parsing() -> Iterator[None]:
    """Set the interpreter up to parse whatever there is: deep nesting is walked, and nothing is warned of."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _RECURSION))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.setrecursionlimit(limit)


def facts_of(text: str) -> FileFacts:
    """Do what `extract` does, for one of many texts, under `parsing`."""
    try:
        tree = ast.parse(text)
        walk = Walk()
        walk.run(tree)
        facts = _Resolution(walk).facts(text.count("\n") + 1)
    except SyntaxError as error:
        raise SourceError(f"line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise SourceError("is nested too deeply to be read") from None
    except (ValueError, MemoryError) as error:
        raise SourceError(f"cannot be parsed ({error.__class__.__name__}: {error})") from None
    comments = suppression.parse(text)
    generated = is_generated("", text)  # by its text alone, as all facts are
    return (
        msgspec.structs.replace(facts, comments=comments, generated=generated)
        if comments or generated
        else facts
    )


class _Resolution:
    """Second look at a walked file: all aliases are known now."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.imports = walk.imports
        self.origins = Origins(walk.imports)
        self._plain_params: dict[str, Param] = {}
        self.has_defaults = False
        self._outside: dict[str, str] = {}  # callees that no function binds
        self._test_texts: dict[ast.AST, str] = {}
        self._guard_texts: dict[tuple[ast.AST, ...], tuple[str, ...]] = {}

    def facts(self, lines: int) -> FileFacts:
        containers = tuple(self._containers())
        declared = {c.owner for c in containers}
        self.has_defaults = any(owner.startswith("d:") for owner in declared)
        outside = [frame for frame in self.walk.frames if frame.kind != "function"]
        events: list[Event] = []
        uses: dict[str, int] = {}
        for frame in self.walk.frames:
            if frame.events or frame.uses:
                passing = self._passing(frame)
                events += self._events(frame, declared, passing)
                self._add_uses(uses, frame, declared, passing)
        return FileFacts(
            lines=lines,
            imports=self.imports,
            functions=tuple(self._function(*entry) for entry in self.walk.functions),
            classes=tuple(self.walk.classes),
            containers=containers,
            events=tuple(events),
            calls=tuple(self._call(raw, frame) for frame in self.walk.frames for raw in frame.calls),
            types=self._types(),
            uses=uses,
            module_calls=tuple(sorted({n for f in outside for n in self._callees(f.call_names, f)})),
            module_refs=tuple(sorted({n for f in outside for n in self._callees(f.ref_names, f)})),
            all_names=self.walk.all_names,
            script=self.walk.script,
            stored=tuple(self._stored()),
            raises=tuple(raises(self.walk.frames, self.imports, self.origins)),
            races=tuple(races(self.walk.functions, self.imports)),
            holdings=tuple(holdings(self.walk.functions, self.imports)),
            skipped=tuple(skipped_by_cancel(self.walk.functions, self.imports)),
            graphs=tuple(kept_graphs(self._bodies(), self.imports)),
        )

    def _bodies(self) -> Iterator[tuple[Frame, ast.AST]]:
        yield self.walk.frames[0], self.walk.tree
        yield from ((frame, node) for frame, node, _, _ in self.walk.functions)

    # -- containers -------------------------------------------------------------------------------------------------

    def _containers(self) -> list[Container]:
        found: dict[str, Container] = {}
        for frame in self.walk.frames:
            for path, value, node, annotation, flags in frame.containers:
                container = self._container(frame, path, value, node, annotation, flags)
                if container is not None and self._is_better(container, found.get(container.owner)):
                    found[container.owner] = container
        for frame, node, _, _ in self.walk.functions:
            if node.args.defaults or node.args.kw_defaults:  # type: ignore[attr-defined]
                for container in self._defaults(frame, node):
                    found.setdefault(container.owner, container)
        return list(found.values())

    def _is_better(self, new: Container, old: Container | None) -> bool:
        """The declaration in __init__ (or at module and class level) is the container; others re-bind it."""
        if old is None:
            return True
        return self._rank(new) < self._rank(old)

    def _rank(self, container: Container) -> int:
        if container.func < 0:
            return 0
        name = self.walk.functions[container.func][0].qualname.rpartition(".")[2]
        return (
            1 if name in ("__init__", "__new__", "__post_init__", "__attrs_post_init__", "__cinit__") else 2
        )

    def _container(
        self, frame: Frame, path: str, value: ast.AST, node: ast.AST, annotation: str, flags: int
    ) -> Container | None:
        if frame.kind == "function" and path not in frame.taken and frame.is_local(path):
            return None  # a local that no other function sees
        kind, inner, bound, weak, initial, source, is_field = describe(value)
        if not kind:
            return None
        owner = owner_of(frame, path, self.imports, hops=0)
        if frame.kind == "class" and is_field:
            owner = f"i:{frame.cls}.{path}"
        if not owner or owner.startswith(("?:", "x:", "t:")) or owner.endswith("[]") or "[]" in owner:
            return None
        if owner.startswith("l:") and path not in frame.free and path not in frame.taken:
            return None
        if not annotation and frame.kind != "function":
            annotation = frame.annotations.get(path, "")
        line, column, end_line, end_column = position(node)
        return Container(
            owner,
            kind,
            line,
            column,
            end_line,
            end_column,
            frame.index,
            inner,
            annotation,
            bound,
            weak,
            initial,
            source,
            flags,
            short_text(value),
        )

    def _defaults(self, frame: Frame, node: ast.AST) -> list[Container]:
        found = []
        for name, value in defaults_of(node.args):  # type: ignore[attr-defined]
            is_call = isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] in CONTAINER_CALLS
            if isinstance(value, (ast.Dict, ast.List, ast.Set)) or is_call:
                kind, inner, bound, weak, initial, _, _ = describe(value)
                found.append(
                    Container(
                        f"d:{frame.qualname}.{name}",
                        kind,
                        value.lineno,
                        value.col_offset + 1,
                        value.end_lineno or value.lineno,
                        (value.end_col_offset or 0) + 1,
                        frame.index,
                        inner,
                        frame.annotations.get(name, ""),
                        bound,
                        weak,
                        initial,
                        "",
                        0,
                        short_text(value),
                    )
                )
        return found

    # -- events -----------------------------------------------------------------------------------------------------

    def _events(self, frame: Frame, declared: set[str], passing: set[str]) -> Iterator[Event]:
        places: dict[str, tuple[str, int, bool] | None] = {}
        for raw in frame.events:
            path = raw.path
            if path in passing:
                continue
            if path not in places:
                places[path] = self._place(path, frame, declared)
            place = places[path]
            if place is not None:
                event = self._event(raw, frame, place, declared)
                if event is not None:
                    yield event

    def _passing(self, frame: Frame) -> set[str]:
        """The plain locals of a function that hold nothing declared: what happens to them is nobody's business."""
        if frame.kind != "function" or self.has_defaults:
            return set()
        known = (frame.self_name, frame.cls_name, *frame.aliases, *frame.globals, *frame.nonlocals)
        return frame.bound.difference(known, (path for path, *_ in frame.containers))

    def _place(self, path: str, frame: Frame, declared: set[str]) -> tuple[str, int, bool] | None:
        """Return (owner, depth, reached through an alias) of what an event happens to, None for what is not kept."""
        owner = owner_of(frame, path, self.imports)
        depth = 0
        if "[]" in owner:
            owner, depth = _strip(owner)
        if owner.startswith("l:"):
            if owner not in declared:
                owner = self._default_owner(frame, path, declared) if self.has_defaults else ""
        elif not owner.startswith(_KEPT) or ("." not in owner and not owner.startswith("m:")):
            return None
        if not owner:
            return None
        root = path.partition(".")[0]
        if root in frame.bound and root not in frame.aliases:
            return owner, depth, False
        return owner, depth, owner != _strip(owner_of(frame, path, self.imports, hops=0))[0]

    def _event(
        self, raw: RawEvent, frame: Frame, place: tuple[str, int, bool], declared: set[str]
    ) -> Event | None:
        owner, depth, aliased = place
        op = raw.op
        if op in _QUIET_OPS and owner.startswith(_FOREIGN):
            return None
        if op == Op.REBIND:
            if raw.method == "=":
                op = rebind_op(raw.path, raw.value)
            if op == Op.REBIND and (depth or aliased):
                return None  # an element, or the local alias is re-bound, not the container
        if op == Op.READ_GROW and owner not in declared and not owner.startswith(("i:", "c:")):
            return None
        node = raw.node
        key, value = raw.key, raw.value
        grows = op == Op.GROW
        gone = op == Op.REBIND and value.__class__ is ast.Constant and value.value is None
        return Event(
            owner,
            op,
            raw.method,
            node.lineno,
            node.col_offset + 1,
            raw.func,
            depth,
            short_text(key) if key is not None and op in _KEYED_OPS else "",
            self.origins.of(key, frame) if key is not None and op in _KEYED_OPS else (),
            short_text(value) if grows else "None" if gone else "",
            self.origins.of(value, frame) if grows else (),
            self._guards(raw.guards) if grows or op == Op.READ_GROW else (),
            raw.flags | Flag.ALIAS if aliased else raw.flags,
            (node.end_col_offset or 0) + 1,
        )

    def _guards(self, guards: tuple[ast.AST, ...]) -> tuple[str, ...]:
        """The tests as text; neighbours share them."""
        if not guards:
            return ()
        texts = self._guard_texts.get(guards)
        if texts is None:
            texts = self._guard_texts[guards] = tuple([self._guard(test) for test in guards])
        return texts

    def _guard(self, test: ast.AST) -> str:
        text = self._test_texts.get(test)
        if text is None:
            text = self._test_texts[test] = _guard_text(test)
        return text

    def _default_owner(self, frame: Frame, path: str, declared: set[str]) -> str:
        root = path.partition(".")[0].partition("[")[0]
        scope = scope_of(frame, root)
        if scope is None or any(
            not isinstance(value, ast.AugAssign) for value in scope.definitions.get(root, ())
        ):
            return ""  # the parameter is bound to something else first
        owner = f"d:{scope.qualname}.{root}"
        return owner if owner in declared and "." not in path else ""

    # -- the rest ---------------------------------------------------------------------------------------------------

    def _function(self, frame: Frame, node: ast.AST, decorators: tuple[str, ...], kind: str) -> Function:
        parent = frame.parent
        line, column, end_line, _ = position(node)
        return Function(
            frame.qualname,
            line,
            end_line,
            frame.cls,
            parent.index if parent is not None else -1,
            self._params(node.args),  # type: ignore[attr-defined]
            tuple([self._decorator(d, parent or frame) for d in decorators]) if decorators else (),
            tuple([d.lineno for d in node.decorator_list]) if decorators else (),  # type: ignore[attr-defined]
            node.__class__ is ast.AsyncFunctionDef,
            frame.generator,
            kind,
            frame.forever,
            tuple(sorted(self._callees(frame.call_names, frame))) if frame.call_names else (),
            self._references(frame) if frame.ref_names else (),
            self._returns(frame) if frame.returns else (),
            self._captures(frame) if frame.free else (),
            tuple([short_text(test) for test in frame.exits[:3]]) if frame.exits else (),
            column,
            tuple(sorted(self._callees(frame.loop_names, frame))) if frame.loop_names else (),
            frame.endless,
        )

    def _params(self, arguments: ast.arguments) -> tuple[Param, ...]:
        defaults = dict(defaults_of(arguments)) if arguments.defaults or arguments.kw_defaults else {}
        plain = self._plain_params
        found = [
            plain[a.arg]
            if a.annotation is None and a.arg in plain and a.arg not in defaults
            else self._param(a.arg, a.annotation, defaults.get(a.arg))
            for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        ]
        if arguments.vararg is not None:
            found.append(self._param(f"*{arguments.vararg.arg}", arguments.vararg.annotation, None))
        if arguments.kwarg is not None:
            found.append(self._param(f"**{arguments.kwarg.arg}", arguments.kwarg.annotation, None))
        return tuple(found)

    def _param(self, name: str, annotation: ast.expr | None, default: ast.expr | None) -> Param:
        if annotation is not None or default is not None:
            return Param(name, annotation_text(annotation), _default_word(default))
        if name not in self._plain_params:
            self._plain_params[name] = Param(name)
        return self._plain_params[name]

    def _references(self, frame: Frame) -> tuple[str, ...]:
        return tuple(sorted([n for n in self._callees(frame.ref_names, frame) if n[0] != "?"]))

    def _returns(self, frame: Frame) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for value in frame.returns[:6]:
            found.update(dict.fromkeys(self.origins.first(2, value, frame, 2)))
        return tuple(found)

    def _captures(self, frame: Frame) -> tuple[str, ...]:
        scopes = ((name, scope_of(frame, name)) for name in sorted(frame.free))
        return tuple(name for name, scope in scopes if scope is not None and scope.kind == "function")

    def _callees(self, texts: Iterable[str], frame: Frame) -> set[str]:
        bound = frame.bound
        plain = not (frame.nested or frame.globals)
        outside = self._outside
        found = set()
        for text in texts:
            root, _, rest = text.partition(".")
            if plain and root not in bound:
                if text not in outside:
                    outside[text] = self._callee(text, self.walk.frames[0])
                found.add(outside[text])
            elif root == frame.self_name and rest.isidentifier() and rest[:2] != "__":
                found.add(f"i:{frame.cls}.{rest}")  # what owner_of says, without asking
            else:
                found.add(self._callee(text, frame))
        found.discard("")
        return found

    def _decorator(self, text: str, frame: Frame) -> str:
        """Resolve a decorator; one that is called keeps its mark: `@app.get("/x")` is `m:app.get.()`."""
        name = text.removesuffix(".()")
        return (self._callee(name, frame) or name) + text[len(name) :]

    def _callee(self, text: str, frame: Frame) -> str:
        """Resolve a dotted callee (as `expressions.dotted` gives it) to an owner-style name."""
        if "(" in text or "[" in text:
            return "?:" + text.rpartition(".")[2] if "." in text else ""
        full = owner_of(frame, text, self.imports)
        if full:
            return full
        return f"b:{text}" if "." not in text else ""

    def _call(self, raw: RawCall, frame: Frame) -> Call:
        node = raw.node
        text = dotted(node.func)
        receiver = self.origins.of(node.func.value, frame, 2) if isinstance(node.func, ast.Attribute) else ()
        kept = raw.usage != "raise"  # what an exception is made of goes with it
        return Call(
            self._callee(text, frame) or f"?:{text.rpartition('.')[2]}",
            node.lineno,
            node.col_offset + 1,
            node.end_lineno or node.lineno,
            (node.end_col_offset or 0) + 1,
            raw.func,
            self._usage(raw.usage, frame),
            tuple([self._tags(a, frame) for a in node.args[:6]]) if kept else (),
            tuple([(k.arg or "**", self._tags(k.value, frame)) for k in node.keywords[:10]]) if kept else (),
            self._guards(raw.guards),
            raw.flags,
            receiver,
        )

    def _tags(self, node: ast.expr, frame: Frame) -> str:
        return "|".join(self.origins.of(node, frame, 2))

    def _usage(self, usage: str, frame: Frame) -> str:
        verb, colon, rest = usage.partition(":")
        if not colon:
            return usage
        if verb == "await" and rest:
            return "await:" + self._usage(rest, frame)
        if verb in ("name", "store"):
            owner = owner_of(frame, rest, self.imports, hops=0)
            return f"{verb}:{owner}" if owner else usage
        return usage

    def _types(self) -> dict[str, str]:
        types: dict[str, str] = {}
        for frame in self.walk.frames:
            for path, value, node in frame.stores:
                self._type_of(
                    types,
                    owner_of(frame, path, self.imports, hops=0),
                    value,
                    frame,
                    getattr(node, "annotation", None),
                )
            if frame.kind != "function":
                for name, annotation in frame.annotations.items():
                    owner = f"m:{name}" if frame.kind == "module" else f"i:{frame.cls}.{name}"
                    if type_name(annotation):
                        types.setdefault(owner, imported(type_name(annotation), self.imports))
                for name, values in frame.definitions.items():
                    self._type_of(
                        types,
                        f"m:{name}" if frame.kind == "module" else f"c:{frame.cls}.{name}",
                        values[0],
                        frame,
                        None,
                    )
        return types

    def _type_of(
        self, types: dict[str, str], owner: str, value: ast.AST, frame: Frame, annotation: ast.AST | None
    ) -> None:
        if not owner.startswith(("i:", "c:", "m:")) or owner in types:
            return
        name = type_name(annotation_text(annotation)) if annotation is not None else ""
        if not name and isinstance(value, ast.Call):
            text = dotted(value.func)
            name = text if text.rpartition(".")[2][:1].isupper() and "(" not in text else ""
        if not name and isinstance(value, ast.Name):
            scope = scope_of(frame, value.id)
            name = type_name(scope.annotations.get(value.id, "")) if scope is not None else ""
        if name:
            types[owner] = imported(name, self.imports)

    def _add_uses(self, uses: dict[str, int], frame: Frame, declared: set[str], passing: set[str]) -> None:
        for path, mask in frame.uses.items():
            if path in passing:
                continue
            owner = owner_of(frame, path, self.imports)
            if self.has_defaults and owner.startswith("l:"):
                owner = self._default_owner(frame, path, declared) or owner
            if "[]" in owner:
                owner = _strip(owner)[0]
            if owner[:2] in _LASTING or owner in declared:
                uses[owner] = uses.get(owner, 0) | mask

    def _stored(self) -> list[tuple[str, str, int, int]]:
        found = []
        for frame in self.walk.frames:
            for path, value, node in frame.stores:
                owner = owner_of(frame, path, self.imports, hops=0)
                tags = self.origins.of(value, frame, 2)
                if (
                    owner
                    and tags
                    and not (len(tags) == 1 and tags[0].startswith("const:") and tags[0] != "const:None")
                ):
                    found.append((owner, "|".join(tags[:4]), position(node)[0], frame.index))
        return found


def _strip(owner: str) -> tuple[str, int]:
    """Split the trailing elements off: `i:C.x[][]` is (`i:C.x`, 2); an attribute of an element is of unknown type."""
    if "[]" not in owner:
        return owner, 0
    depth = 0
    while owner.endswith("[]"):
        owner = owner[:-2]
        depth += 1
    if "[]." in owner:
        owner = "?:" + owner.rpartition("[].")[2]
    return owner, depth


def _guard_text(node: ast.AST) -> str:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return "not " + short_text(node.operand)
    return short_text(node)


def _default_word(node: ast.expr | None) -> str:
    if node is None:
        return ""
    return short_text(node)[:20] if isinstance(node, ast.Constant) else node.__class__.__name__.lower()
