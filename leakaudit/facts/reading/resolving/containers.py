"""The containers that a file declares."""

from __future__ import annotations

import ast

from leakaudit.facts.model import Container, Flag
from leakaudit.facts.reading.containers import describe
from leakaudit.facts.reading.expressions import defaults_of, dotted, position, short_text
from leakaudit.facts.reading.frame import Frame, owner_of
from leakaudit.facts.reading.resolving.base import Resolver
from leakaudit.facts.tables import CONTAINER_CALLS


class Containers(Resolver):
    """Finds what is declared."""

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
        stays = frame.forever and not flags & Flag.LOOP  # made before a loop that may never end
        if frame.kind == "function" and path not in frame.taken and frame.is_local(path) and not stays:
            return None  # a local that no other function sees
        kind, inner, bound, weak, initial, source, is_field = describe(value)
        if not kind:
            return None
        owner = owner_of(frame, path, self.imports, hops=0)
        if frame.kind == "class" and is_field:
            owner = f"i:{frame.cls}.{path}"
        if not owner or owner.startswith(("?:", "x:", "t:")) or owner.endswith("[]") or "[]" in owner:
            return None
        if owner.startswith("l:") and path not in frame.free and path not in frame.taken and not stays:
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
