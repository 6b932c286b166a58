"""Cycles that an object ties and does not break when its life ends: who holds whom, and where a break is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.answers import words
from leakaudit.facts.holders.context_chains import context_chains
from leakaudit.facts.holders.endings import ENDS, Endings
from leakaudit.facts.holders.knotted import Knotted
from leakaudit.facts.holders.links import Link, is_own_method, is_parameter, is_per_event
from leakaudit.facts.holders.slots import slots
from leakaudit.facts.holders.ties import Ties
from leakaudit.facts.linking.linked import Place
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
_WEAK = ("ref", "proxy", "WeakMethod", "finalize")
_ADDS = ("[]=", "append", "add", "insert", "setdefault")


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
        yield from Ties(self._project, self._endings)
        yield from Knotted(self._project, self._endings)
        yield from slots(self._project, self._endings)
        yield from context_chains(self._project)

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
        if self._project.method(Place(path, cls), attribute) is not None:
            return True  # a property makes what it returns
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
                place = Place(path, cls)
                kept = not self._endings.is_cleared(place, attribute) or self._endings.left(place, attribute)
                if function.cls == cls and kept:
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
        callee = call.callee.partition(":")[2]
        place = Place(path, cls)
        own = next((position for position, a in given if a.partition("|")[0] == "self"), None)
        if callee in _OPAQUE and (
            own is not None or any(is_own_method(self._project, path, a) for _, a in given)
        ):
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
        elif own is not None and callee.rpartition(".")[2] not in _WEAK:
            child = self._child_class(path, callee)
            back = self._kept_by_child(child, own) if child is not None else None
            read = child is not None and self._project.method(child, "__init__") is not None
            made = callee.rpartition(".")[2][:1].isupper() and not read
            cues = [
                *self._child_cues(place, attribute, confirmed=back is not None, made=made),
                *self._stopped(path, cls, attribute, function),
            ]
            reason = f"`{attribute}` refers back to its `{cls.rpartition('.')[2]}`"
            yield Link(
                path, cls, attribute, "child", call.line, call.column, call.func, reason, tuple(cues), back
            )

    def _child_class(self, path: str, callee: str) -> Place | None:
        return self._project.class_named(callee, path) or self._project.class_named(
            callee.rpartition(".")[2], path
        )

    def _kept_by_child(self, child: Place, position: int | str) -> tuple[str, int] | None:
        """Where the constructor of the child stores its parent."""
        at = self._project.method(child, "__init__")
        if at is None:
            return None
        function = self._project.files[at[0]].functions[at[1]]
        names = [p.name for p in function.params if not p.name.startswith("*")][1:]
        name = names[position] if isinstance(position, int) and position < len(names) else position
        stored = [s for s in self._project.files[at[0]].stored if s[3] == at[1] and s[0].startswith("i:")]
        weak = {s[0] for s in stored if s[1].startswith(("call:ref|", "call:proxy|"))}
        for owner, origin, line, _ in stored:
            if owner not in weak and is_parameter(origin, str(name)):
                return at[0], line
        return None

    def _child_cues(
        self, place: Place, attribute: str, *, confirmed: bool, made: bool
    ) -> Iterator[tuple[str, int]]:
        parted = self._endings.left(place, attribute)
        if parted is not None and (made or confirmed):
            few = self._project.lifetimes.of_class(place).value == "likely-long"
            yield f"`{parted.method}` lets go of `{parted.attribute}`, but not of this", 1 if few else 2
        if not confirmed:
            return
        yield "both sides keep each other", 1
        if is_per_event(self._project, place):
            yield "one is made for each connection or request, and leaves such a cycle", 1
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
