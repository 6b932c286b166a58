"""Cycles tied by assignments: wrappers, pairs of objects, bound methods hung on what the instance keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.holders.endings import ENDS, Endings
from leakaudit.facts.holders.links import Link, is_own_method, is_per_event
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Function

if TYPE_CHECKING:
    from leakaudit.facts.project import Project


class Ties:
    """Finds the ties of one project that no method parts again."""

    def __init__(self, project: Project, endings: Endings) -> None:
        self._project = project
        self._endings = endings

    def __iter__(self) -> Iterator[Link]:
        """Yield the links, file by file."""
        for path in self._project.files:
            yield from self._wrapped(path)
            yield from self._methods(path)
            yield from self._pairs(path)

    def _wrapped(self, path: str) -> Iterator[Link]:
        """A wrapper that hands itself to what it wraps, and passes the end on without letting go."""
        facts = self._project.files[path]
        for function in facts.functions:
            if not function.cls or not ENDS.match(function.name):
                continue
            prefix = f"i:{function.cls}."
            for name in function.calls:
                attribute = name[len(prefix) :].rpartition(".")[0] if name.startswith(prefix) else ""
                if not attribute or "." in attribute or name.rpartition(".")[2] != function.name:
                    continue
                giver = self._gives_itself(path, function, f"{prefix}{attribute}.")
                came_in = next(
                    (s for s in facts.stored if s[0] == prefix + attribute and s[1].startswith("param:")),
                    None,
                )
                if giver and came_in and not self._endings.is_cleared(Place(path, function.cls), attribute):
                    reason = f"`{giver.name}` hands the instance to `{attribute}`, and `{function.name}` keeps both"
                    cues = ((f"`{function.name}` ends both, but does not part them", 2),)
                    yield Link(
                        path,
                        function.cls,
                        attribute,
                        "wrapper",
                        came_in[2],
                        1,
                        came_in[3],
                        reason,
                        cues,
                        (path, function.line),
                    )

    def _gives_itself(self, path: str, end: Function, prefix: str) -> Function | None:
        """The method that hands the instance to a method of the attribute: `self.inner.connect(self)`."""
        facts = self._project.files[path]
        for call in facts.calls:
            if (
                call.func >= 0
                and call.callee.startswith(prefix)
                and "self" in (a.partition("|")[0] for a in call.args)
            ):
                function = facts.functions[call.func]
                if function.cls == end.cls and not ENDS.match(function.name) and function.name != "__del__":
                    return function
        return None

    def _methods(self, path: str) -> Iterator[Link]:
        """`f.hook = self.method` in a function that also keeps `f` on the instance."""
        facts = self._project.files[path]
        for owner, origin, line, func in facts.stored:
            first = origin.partition("|")[0]
            if (
                not first.startswith("bound:i:")
                or owner[:2] not in ("?:", "l:")
                or func < 0
                or not is_own_method(self._project, path, first)
            ):
                continue
            cls, _, method = first[8:].rpartition(".")
            local = owner[2:].partition(".")[0]
            keeps = any(
                s[3] == func and s[0].startswith(f"i:{cls}.") and f"local:{local}" in s[1].split("|")
                for s in facts.stored
            )
            if keeps and facts.functions[func].cls == cls:
                entered = {"__exit__", "__aexit__"} & set(self._endings.of(Place(path, cls)))
                cues = (("used in `with`: a new one each time", 1),) if entered else ()
                reason = f"`{local}` is kept by the instance, and holds its `{method}`"
                yield Link(
                    path,
                    cls,
                    method,
                    "method",
                    line,
                    1,
                    func,
                    reason,
                    (("a bound method holds its instance", 1), *cues),
                )

    def _pairs(self, path: str) -> Iterator[Link]:
        """`self.peer.owner = self`, or `peer.owner = self` beside `self.peer = peer`: both sides of the link in view."""
        facts = self._project.files[path]
        for owner, origin, line, func in facts.stored:
            if origin.partition("|")[0] != "self" or func < 0 or not (cls := facts.functions[func].cls):
                continue
            name = self._peer(path, owner, func, cls)
            ends = self._endings.of(Place(path, cls))
            per_event = is_per_event(self._project, Place(path, cls))
            if name and (ends or per_event) and not self._endings.is_cleared(Place(path, cls), name):
                cues = [("both sides keep each other", 1)]
                if ends:
                    cues.append((f"`{ends[0]}` ends it, but does not part them", 1))
                if per_event or (ends and ends[0].replace("_", "").lower() == "connectionlost"):
                    cues.append(("one is made for each connection or request", 1 if ends else 2))
                reason = f"`{name}` refers back to its `{cls.rpartition('.')[2]}`"
                yield Link(path, cls, name, "pair", line, 1, func, reason, tuple(cues))

    def _peer(self, path: str, owner: str, func: int, cls: str) -> str:
        """The attribute of the instance that is given a reference to the instance, or ""."""
        prefix = f"i:{cls}."
        if owner.startswith(prefix):
            name, _, rest = owner.removeprefix(prefix).partition(".")
            return name if rest and "." not in rest else ""
        if owner[:2] not in ("?:", "l:"):
            return ""
        local = owner[2:].partition(".")[0]
        for kept, origin, _, where in self._project.files[path].stored:
            tags = origin.split("|")
            if (
                where == func
                and kept.startswith(prefix)
                and (f"local:{local}" in tags or tags[0].startswith(f"param:{local}:"))
            ):
                return kept.removeprefix(prefix)
        return ""
