"""Cycles that an object ties and does not break when its life ends: who holds whom, and where a break is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.answers import words
from leakaudit.facts.endings import ENDS, Endings
from leakaudit.facts.linked import Place
from leakaudit.facts.model import Call, Function, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_STARTS = re.compile(r"^_*(start|open|connect|launch|begin|enable)(_|$)")
_FRAMES = frozenset("traceback tb exception excinfo exc failure".split())
#: Types written in C that hold what they are given where the collector cannot see it.
_OPAQUE = (
    "hiredis.Reader",
    "httptools.HttpRequestParser",
    "httptools.HttpResponseParser",
    "HttpRequestParser",
    "HttpResponseParser",
)
_ADDS = ("[]=", "append", "add", "insert", "setdefault")


@dataclass(frozen=True, slots=True)
class Link:
    """One way back: `holder` (a class, or a function for a local) reaches itself through `name`.

    `kind` is container, child, opaque, wrapper, pair, method or closure; `cues` are (what, weight) pairs that make it matter.
    """

    path: str
    holder: str
    name: str
    kind: str
    line: int
    column: int
    func: int
    reason: str
    cues: tuple[tuple[str, int], ...] = ()
    back: tuple[str, int] | None = None  # file and line where the other side keeps it


class Cycles:
    """Finds the links of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._endings = Endings(project)

    def __iter__(self) -> Iterator[Link]:
        """Yield the links that no method takes back."""
        for path in self._project.files:
            yield from self._in_containers(path)
            yield from self._through_calls(path)
            yield from self._wrapped(path)
            yield from self._methods(path)
            yield from self._pairs(path)

    # -- the links --------------------------------------------------------------------------------------------------

    def _in_containers(self, path: str) -> Iterator[Link]:
        """`self.options["pool"] = self`."""
        facts = self._project.files[path]
        for event in facts.events:
            if (
                event.op is not Op.GROW
                or event.value_origins[:1] != ("self",)
                or event.method not in _ADDS
                or event.func < 0
            ):
                continue
            cls, _, attribute = event.owner[2:].rpartition(".")
            function = facts.functions[event.func]
            if (
                not event.owner.startswith("i:")
                or function.cls != cls
                or self._is_shared(path, cls, attribute)
            ):
                continue
            if event.method == "[]=" and not event.key_origins[:1][0].startswith("const:"):
                continue
            if not self._endings.is_cleared(Place(path, cls), attribute):
                reason = f"`{attribute}` belongs to the instance and holds it"
                yield Link(
                    path,
                    cls,
                    attribute,
                    "container",
                    event.line,
                    event.column,
                    event.func,
                    reason,
                    (("its own container holds it", 2),),
                )

    def _is_shared(self, path: str, cls: str, attribute: str) -> bool:
        """The container may be another's, holds weakly, or lets go of the instance somewhere."""
        for base in self._project.mro(Place(path, cls)):
            for scope in "ic":
                subject = self._project.subjects.get(Place(base.path, f"{scope}:{base.name}.{attribute}"))
                if subject is not None:
                    return (
                        scope == "c"
                        or subject.container.weak
                        or bool(subject.events(Op.SHRINK, Op.CLEAR, Op.TRIM))
                    )
        facts = self._project.files[path]
        owner = f"i:{cls}.{attribute}"
        return any(e.owner == owner and e.op in (Op.SHRINK, Op.CLEAR) for e in facts.events) or any(
            s[0] == owner for s in facts.stored
        )

    def _through_calls(self, path: str) -> Iterator[Link]:
        facts = self._project.files[path]
        for call in facts.calls:
            usage = call.usage.removeprefix("await:")
            if call.func < 0:
                continue
            if usage.startswith("name:l:"):
                yield from self._closed_over(path, call, usage.rpartition(".")[2])
            elif usage.startswith("store:i:") and "[]" not in usage:
                cls, _, attribute = usage[8:].rpartition(".")
                function = facts.functions[call.func]
                if function.cls == cls and not self._endings.is_cleared(Place(path, cls), attribute):
                    yield from self._child(path, call, cls, attribute, function)

    def _closed_over(self, path: str, call: Call, name: str) -> Iterator[Link]:
        """`timer = Timer(run)` where `run` captures `timer`."""
        if not call.callee.replace(":", ".").rpartition(".")[2][:1].isupper():
            return
        function = self._project.files[path].functions[call.func]
        for argument in (*call.args, *(value for _, value in call.keywords)):
            tag = argument.partition("|")[0]
            index = self._project.function_named(path, tag[8:]) if tag.startswith("closure:") else None
            closure = self._project.function(path, index) if index is not None else None
            if closure is not None and name in closure.captures:
                reason = f"`{name}` holds `{closure.name}`, which captures `{name}`"
                yield Link(
                    path,
                    function.qualname,
                    name,
                    "closure",
                    call.line,
                    call.column,
                    call.func,
                    reason,
                    (("made anew for every call", 1),),
                )
                return

    def _child(self, path: str, call: Call, cls: str, attribute: str, function: Function) -> Iterator[Link]:
        """`self.child = Child(self)`, where the child keeps its parent or is not Python."""
        given: list[tuple[int | str, str]] = [*enumerate(call.args), *call.keywords]
        own = next((position for position, a in given if a.partition("|")[0] == "self"), None)
        callee = call.callee.partition(":")[2]
        place = Place(path, cls)
        if callee in _OPAQUE and (own is not None or any(self._is_own_method(path, a) for _, a in given)):
            reason = f"`{attribute}` is not seen by the garbage collector, and refers back"
            yield Link(
                path,
                cls,
                attribute,
                "opaque",
                call.line,
                call.column,
                call.func,
                reason,
                ((f"`{callee}` is written in C", 2),),
            )
        elif own is not None:
            back = self._kept_by_child(path, callee, own)
            cues = [
                *self._child_cues(place, attribute, confirmed=back is not None),
                *self._stopped(path, cls, attribute, function),
            ]
            reason = f"`{attribute}` refers back to its `{cls.rpartition('.')[2]}`"
            yield Link(
                path, cls, attribute, "child", call.line, call.column, call.func, reason, tuple(cues), back
            )

    def _is_own_method(self, path: str, argument: str) -> bool:
        for tag in argument.split("|"):
            if tag.startswith("bound:i:"):
                cls, _, name = tag[8:].rpartition(".")
                at = self._project.method(Place(path, cls), name)
                function = self._project.function(*at) if at is not None else None
                return function is not None and function.kind == ""
        return False

    def _kept_by_child(self, path: str, callee: str, position: int | str) -> tuple[str, int] | None:
        """Where the constructor of the child stores its parent."""
        child = self._project.class_named(callee, path) or self._project.class_named(
            callee.rpartition(".")[2], path
        )
        at = self._project.method(child, "__init__") if child is not None else None
        if at is None:
            return None
        function = self._project.files[at[0]].functions[at[1]]
        names = [p.name for p in function.params if not p.name.startswith("*")][1:]
        name = names[position] if isinstance(position, int) and position < len(names) else position
        for owner, origin, line, func in self._project.files[at[0]].stored:
            if func == at[1] and owner.startswith("i:") and origin.startswith(f"param:{name}:"):
                return at[0], line
        return None

    def _child_cues(self, place: Place, attribute: str, *, confirmed: bool) -> Iterator[tuple[str, int]]:
        if not confirmed:
            return
        yield "both sides keep each other", 1
        if _FRAMES & {*words(place.name), *words(attribute)}:
            yield "a traceback in it keeps frames and their variables alive", 2
        if {"__exit__", "__aexit__"} & set(self._endings.of(place)) and self._project.lifetimes.of_class(
            place
        ).value == "short":
            yield "used in `with`: a new one each time, which `__exit__` leaves tied", 2

    def _stopped(self, path: str, cls: str, attribute: str, made_in: Function) -> Iterator[tuple[str, int]]:
        """It is made when the object starts, stopped when it stops, but not let go of."""
        if not _STARTS.match(made_in.name):
            return
        prefix = f"i:{cls}.{attribute}."
        for function in self._project.files[path].functions:
            if function.cls == cls and any(
                c.startswith(prefix) and ENDS.match(c.rpartition(".")[2]) for c in function.calls
            ):
                yield f"`{function.name}` stops it, but keeps it", 2
                return

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
                or not self._is_own_method(path, first)
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
            if name and ends and not self._endings.is_cleared(Place(path, cls), name):
                cues = (
                    ("both sides keep each other", 1),
                    (f"`{ends[0]}` ends it, but does not part them", 1),
                )
                reason = f"`{name}` refers back to its `{cls.rpartition('.')[2]}`"
                yield Link(path, cls, name, "pair", line, 1, func, reason, cues)

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
