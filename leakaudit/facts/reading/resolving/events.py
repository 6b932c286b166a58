"""What happens to containers, and how they are read."""

from __future__ import annotations

import ast

from leakaudit.facts.flow.in_place import may_be_new
from leakaudit.facts.model import Event, Flag, Op, Use
from leakaudit.facts.reading.expressions import short_text
from leakaudit.facts.reading.frame import Frame, RawEvent, owner_of, scope_of
from leakaudit.facts.reading.rebinding import rebind_op
from leakaudit.facts.reading.resolving.base import strip
from leakaudit.facts.reading.resolving.containers import Containers

_KEPT = ("i:", "c:", "m:", "x:", "t:", "?:")
_LASTING = frozenset(("i:", "c:", "m:", "x:"))
_FOREIGN = ("x:", "t:", "?:")
_QUIET_OPS = (Op.MEASURE, Op.READ_GROW)
_KEYED_OPS = (Op.GROW, Op.SHRINK, Op.READ_GROW)
_GUARDED_OPS = (Op.GROW, Op.READ_GROW, Op.SHRINK, Op.CLEAR, Op.TRIM, Op.REBIND)


class Events(Containers):
    """Resolves raw events and uses."""

    def _events(self, frame: Frame, declared: set[str], passing: set[str]) -> list[Event]:
        found = []
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
                    found.append(event)
        return found

    def _passing(self, frame: Frame) -> set[str]:
        """The plain locals of a function that hold nothing declared: what happens to them is nobody's business."""
        if frame.kind != "function" or self.has_defaults:
            return set()
        known = (frame.self_name, frame.cls_name, *frame.aliases, *frame.globals, *frame.nonlocals)
        return frame.bound.difference(known, [container[0] for container in frame.containers])

    def _place(self, path: str, frame: Frame, declared: set[str]) -> tuple[str, int, bool] | None:
        """Return (owner, depth, reached through an alias) of what an event happens to, None for what is not kept."""
        owner = owner_of(frame, path, self.imports)
        depth = 0
        if "[]" in owner:
            owner, depth = strip(owner)
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
        return owner, depth, owner != strip(owner_of(frame, path, self.imports, hops=0))[0]

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
            if op == Op.GROW and aliased and raw.path.isidentifier():
                return None  # the local alias becomes a longer copy
        if op == Op.READ_GROW and owner not in declared and not owner.startswith(("i:", "c:")):
            return None
        node = raw.node
        key, value = raw.key, raw.value
        grows = op == Op.GROW
        flags = raw.flags | Flag.ALIAS if aliased else raw.flags
        if aliased and grows and raw.method == "+=" and may_be_new(frame, raw.path):
            flags |= Flag.EITHER
        gone = op == Op.REBIND and type(value) is ast.Constant and value.value is None
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
            self._guards(raw.guards) if op in _GUARDED_OPS else (),
            flags,
            (node.end_col_offset or 0) + 1,
        )

    def _default_owner(self, frame: Frame, path: str, declared: set[str]) -> str:
        root = path.partition(".")[0].partition("[")[0]
        scope = scope_of(frame, root)
        if scope is None or any(
            not isinstance(value, ast.AugAssign) for value in scope.definitions.get(root, ())
        ):
            return ""  # the parameter is bound to something else first
        owner = f"d:{scope.qualname}.{root}"
        return owner if owner in declared and "." not in path else ""

    def _add_uses(self, uses: dict[str, int], frame: Frame, declared: set[str], passing: set[str]) -> None:
        for path, mask in frame.uses.items():
            if path in passing:
                continue
            owner = owner_of(frame, path, self.imports)
            if self.has_defaults and owner.startswith("l:"):
                owner = self._default_owner(frame, path, declared) or owner
            use = mask
            if "[]" in owner:
                owner = strip(owner)[0]
                use = Use.INDEX  # whatever becomes of an entry: it was looked up
            if owner[:2] in _LASTING or owner in declared:
                uses[owner] = uses.get(owner, 0) | use
