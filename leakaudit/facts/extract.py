"""Turn one file's text into FileFacts: parse, walk, resolve every receiver to its owner."""

from __future__ import annotations

import ast
import contextlib
import sys
import warnings
from collections.abc import Iterator

import msgspec

from leakaudit.errors import SourceError
from leakaudit.facts.flow.abandoned import abandoned
from leakaudit.facts.flow.cancelling import skipped_by_cancel
from leakaudit.facts.flow.frame_cycles import frame_cycles
from leakaudit.facts.flow.graphs import kept_graphs
from leakaudit.facts.flow.holdings import holdings
from leakaudit.facts.flow.knots import knots
from leakaudit.facts.flow.races import races
from leakaudit.facts.flow.raises import raises
from leakaudit.facts.flow.unanswered import unanswered
from leakaudit.facts.model import Event, FileFacts
from leakaudit.facts.reading.expressions import annotation_text, dotted, position, type_name
from leakaudit.facts.reading.frame import Frame, imported, owner_of, scope_of
from leakaudit.facts.reading.resolving.definitions import Definitions
from leakaudit.facts.reading.walk import Walk
from leakaudit.findings import suppression
from leakaudit.source.classify import is_generated

_FIELDS = frozenset(("field", "ib", "attrib", "Field"))
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


class _Resolution(Definitions):
    """Puts a file's facts together."""

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
                if frame.events:
                    events += self._events(frame, declared, passing)
                self._add_uses(uses, frame, declared, passing)
        return FileFacts(
            lines=lines,
            imports=self.imports,
            functions=tuple([self._function(*entry) for entry in self.walk.functions]),
            classes=tuple(self.walk.classes),
            containers=containers,
            events=tuple(events),
            calls=tuple([self._call(raw, frame) for frame in self.walk.frames for raw in frame.calls]),
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
            frame_cycles=tuple(frame_cycles(self.walk.functions)),
            abandoned=(
                *abandoned(self.walk.functions, self.imports),
                *unanswered(self.walk.functions, self.imports),
            ),
            knots=tuple(knots(self.walk.frames, self.walk.functions, self.imports)),
            graphs=tuple(kept_graphs(self._bodies(), self.imports)),
        )

    def _bodies(self) -> Iterator[tuple[Frame, ast.AST]]:
        yield self.walk.frames[0], self.walk.tree
        yield from ((frame, node) for frame, node, _, _ in self.walk.functions)

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
            if frame.kind == "class":
                found += self._factories(frame)
        return found

    def _factories(self, frame: Frame) -> Iterator[tuple[str, str, int, int]]:
        """`name = field(default_factory=Thing)`: what every instance makes for itself."""
        for name, (value, *_) in frame.definitions.items():
            if isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] in _FIELDS:
                for keyword in value.keywords:
                    made = dotted(keyword.value) if keyword.arg in ("factory", "default_factory") else ""
                    if made:
                        yield f"i:{frame.cls}.{name}", f"new:{imported(made, self.imports)}", value.lineno, -1
