"""Callables that are registered and whose handle is dropped: what they pin, who keeps them, whether they are taken out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.holders.registrations import registers
from leakaudit.facts.holders.subscribing import (
    CONSTRUCTORS,
    ELSEWHERE,
    FINAL,
    FORGETTING,
    HOOKS,
    LASTING,
    LOOPS,
    PUTS,
    WAITS,
    takes_out,
    undoes,
)
from leakaudit.facts.holders.subscription import Subscription, last
from leakaudit.facts.linking.linked import Place, Subject
from leakaudit.facts.model import Call, Flag, Function, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project


#: What calls back once, and forgets what it called.
_FUTURES = frozenset({"future", "fut", "deferred", "promise"})
#: Calls that give the same object to all who ask.
_GLOBAL = re.compile(
    r"^call:([\w.]*\.)?(instance|get_instance|get_(default|global|current)_\w+|get_\w*(registry|manager|bus|hub|dispatcher))$"
)


def subscriptions(project: Project) -> tuple[Subscription, ...]:
    """Return the registrations of a project; found once, for all that ask."""
    known: dict[str, tuple[Subscription, ...]] = project.__dict__.setdefault("_subscriptions", {})
    if not known:
        known[""] = tuple(Subscriptions(project))
    return known[""]


class Subscriptions:
    """Finds them in one project; keeps what it looked up."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def __iter__(self) -> Iterator[Subscription]:
        """Yield the registrations whose result is dropped."""
        for path, facts in self._project.files.items():
            for call in facts.calls:
                if call.usage == "drop" and call.func >= 0 and self._keeps(call):
                    found = self._subscription(path, call, facts.functions[call.func])
                    if found is not None:
                        yield found

    def _keeps(self, call: Call) -> bool:
        name = last(call.callee)
        receiver = call.callee.replace(":", ".").split(".")[-2:-1]
        said = self._project.tables.registers(call.callee)
        if said is not None:
            return said
        if ("weak", "const:True") in call.keywords or call.callee in ELSEWHERE:
            return False
        if name == "connect":
            return ("weak", "const:False") in call.keywords
        if name in PUTS:
            return bool(receiver) and HOOKS.search(receiver[0]) is not None and call.callee.count(".") > 1
        return (
            registers(call.callee, self._project.tables)
            and not FORGETTING.match(name)
            and not LOOPS & set(receiver)
            and not (receiver and set(words(receiver[0])[-1:]) & _FUTURES)
        )

    def _subscription(self, path: str, call: Call, function: Function) -> Subscription | None:
        owner = self._owner(path, function)
        given: list[tuple[int | str, str]] = [*enumerate(call.args), *call.keywords]
        for position, argument in given:
            tag = argument.removeprefix("call:partial|").partition("|")[0]
            what, pins, captures = self._callable(path, call, tag, owner)
            if what:
                registry, opaque = self._registry(path, call, position)
                if not opaque:
                    return None
                source = self._source(path, call, function, owner)
                undone = self._undone(path, call, owner, what, registry, pins is not None)
                return Subscription(
                    path,
                    call,
                    function,
                    owner,
                    what,
                    pins,
                    source,
                    registry,
                    undone,
                    captures,
                    tuple(self._waits(path, function)),
                )
        return None

    def _waits(self, path: str, function: Function) -> Iterator[str]:
        current: Function | None = function
        while current is not None:
            yield from (name for name in current.calls if last(name) in WAITS)
            current = self._project.function(path, current.parent)

    def _owner(self, path: str, function: Function) -> Place | None:
        """The class whose method the call stands in, also through nested functions."""
        current: Function | None = function
        while current is not None:
            if current.cls:
                return Place(path, current.cls)
            current = self._project.function(path, current.parent)
        return None

    def _callable(
        self, path: str, call: Call, tag: str, owner: Place | None
    ) -> tuple[str, Place | None, tuple[str, ...]]:
        """Return (name, the class whose instance it pins, what it captures); ("", None, ()) for what is no callable."""
        if tag.startswith("bound:i:"):
            cls, _, method = tag[8:].rpartition(".")
            at = self._project.method(Place(path, cls), method)
            found = self._project.function(*at) if at is not None else None
            if found is not None and found.kind != "property":
                return f"self.{method}", Place(path, cls), ("self",)
        elif tag == "lambda" or tag.startswith("closure:"):
            closure = self._closure(path, call, tag)
            if closure is not None and closure.captures:
                return closure.name, owner if "self" in closure.captures else None, closure.captures
        return "", None, ()

    def _closure(self, path: str, call: Call, tag: str) -> Function | None:
        if tag.startswith("closure:"):
            index = self._project.function_named(path, tag[8:])
            return self._project.function(path, index) if index is not None else None
        inside = (
            f for f in self._project.files[path].functions if f.name == "<lambda>" and f.parent == call.func
        )
        return next((f for f in inside if call.line <= f.line <= call.end_line), None)

    # -- who keeps it -----------------------------------------------------------------------------------------------

    def _source(self, path: str, call: Call, function: Function, owner: Place | None) -> Answer:
        scope, _, rest = call.callee.partition(":")
        text = rest.rpartition(".")[0]
        if call.receiver[:1] == ("self",):
            return Answer("self", "the instance registers with itself", path, call.line)
        made = call.receiver[0] if call.receiver else ""
        if _GLOBAL.search(made):
            return Answer(
                "global", f"`{made.partition(':')[2]}` gives what the whole process shares", path, call.line
            )
        if scope == "x" and len(call.args) > 1 and _is_object(call.args[0]):
            name = call.args[0].split(":")[1].partition("|")[0]
            return self._parameter(path, call, function, name)  # `event.listen(target, "close", f)`
        if scope == "x" and self._project.callee(call.callee, path, call.func) is None:
            return Answer("global", f"`{rest}` belongs to the whole process", path, call.line)
        if scope == "m" and "." in rest:
            return Answer("global", f"`{text}` is a global", path, call.line)
        root = next((t for t in call.receiver if t.startswith(("param:", "bound:", "local:", "global:"))), "")
        if root.startswith("param:"):
            return self._parameter(path, call, function, root.split(":")[1])
        if root.startswith("bound:i:") and owner is not None:
            return self._attribute(path, root[8:].rpartition(".")[2], owner)
        return Answer("unknown", "nothing tells how long the registry lives", path, call.line)

    def _parameter(self, path: str, call: Call, function: Function, name: str) -> Answer:
        """An argument of the constructor outlives the instance; one of another method may be what the event is about."""
        scope, _, rest = call.callee.partition(":")
        place = self._project.class_named(rest.rpartition(".")[0], path) if scope == "t" else None
        if place is not None and self._project.lifetimes.of_class(place).value in ("short", "likely-short"):
            return Answer("short", f"`{name}` is a `{place.name}`, which does not live long", path, call.line)
        if function.name in CONSTRUCTORS or set(words(name)) & LASTING:
            return Answer("passed-in", f"`{name}` came in as an argument", path, call.line)
        return Answer("argument", f"`{name}` is what `{function.name}` is about", path, call.line)

    def _attribute(self, path: str, name: str, owner: Place) -> Answer:
        """Where `self.name` comes from: an argument of the constructor, or made by the instance."""
        for base in self._project.mro(owner):
            for _stored, origin, line, _ in self._stored.get(base.path, {}).get(f"i:{base.name}.{name}", ()):
                first = origin.partition("|")[0]
                if first.startswith("param:"):
                    return Answer("passed-in", f"`self.{name}` came in as an argument", base.path, line)
                if first.startswith(("new:", "call:", "literal:")):
                    return Answer("own", f"`self.{name}` is made by the instance itself", base.path, line)
        if set(words(name)) & LASTING:
            return Answer(
                "lasting", f"`self.{name}` is named like something that outlives the instance", path, 0
            )
        return Answer("unknown", f"nothing tells where `self.{name}` comes from", path, 0)

    @cached_property
    def _stored(self) -> dict[str, dict[str, list[tuple[str, str, int, int]]]]:
        found: dict[str, dict[str, list[tuple[str, str, int, int]]]] = {}
        for path, facts in self._project.files.items():
            by_owner = found.setdefault(path, {})
            for item in facts.stored:
                by_owner.setdefault(item[0], []).append(item)
        return found

    def _registry(self, path: str, call: Call, position: int | str) -> tuple[Subject | None, bool]:
        """The container that keeps the callable; and False where the callee can be read, and keeps nothing."""
        target = self._project.callee(call.callee, path, call.func)
        function = self._project.function(*target) if target is not None else None
        if target is None or function is None:
            return None, True
        names = [p.name for p in function.params if not p.name.startswith("*")]
        names = names[1:] if function.cls and function.kind != "static" else names
        name = names[position] if isinstance(position, int) and position < len(names) else position
        for subject, parameters in self._grown.get(target, ()):
            if name in parameters:
                return subject, True
        return None, bool(set(function.calls)) and not self._grown.get(target)

    @cached_property
    def _grown(self) -> dict[tuple[str, int], list[tuple[Subject, frozenset[str]]]]:
        """Function -> the containers that it puts its parameters into."""
        found: dict[tuple[str, int], list[tuple[Subject, frozenset[str]]]] = {}
        for subject in self._project.subjects.values():
            for seen in subject.events(Op.GROW):
                tags = (*seen.event.value_origins, *seen.event.key_origins)
                names = frozenset(t.split(":")[1] for t in tags if t.startswith("param:"))
                if names and seen.event.func >= 0:
                    found.setdefault((seen.path, seen.event.func), []).append((subject, names))
        return found

    # -- is it taken out again --------------------------------------------------------------------------------------

    def _undone(
        self, path: str, call: Call, owner: Place | None, what: str, registry: Subject | None, pinned: bool
    ) -> Answer:
        if registry is not None and (
            registry.container.weak or self._project.cleanup(registry).grade == "bound"
        ):
            return Answer(
                "yes",
                f"`{registry.name}` holds it weakly or is bounded",
                registry.path,
                registry.container.line,
            )
        verb, receiver = last(call.callee), call.callee.rpartition(".")[0]
        if verb in FINAL:
            return Answer("no", f"nothing can take `{what}` out again", path, call.line)
        for function in self._functions(path, owner, call):
            for name in (*function.calls, *function.refs):
                if undoes(last(name), verb) or self._project.tables.undoes(name, call.callee):
                    return Answer("yes", f"`{function.name}` calls `{last(name)}`", path, function.line)
                if receiver and name.rpartition(".")[0] == receiver and takes_out(last(name), pinned):
                    return Answer(
                        "yes",
                        f"`{function.name}` calls `{last(name)}` of what it is registered with",
                        path,
                        function.line,
                    )
        if call.flags & Flag.CALLBACK:
            return Answer("yes", "handed on", path, call.line)
        return Answer("no", f"nothing takes `{what}` out again", path, call.line)

    def _functions(self, path: str, owner: Place | None, call: Call) -> Iterator[Function]:
        """The functions that may undo it: those of the class and its bases, or of the function around the call."""
        if owner is None:
            top = self._project.files[path].functions[call.func].qualname.partition(".")[0]
            yield from (f for f in self._project.files[path].functions if f.qualname.partition(".")[0] == top)
            return
        for base in self._project.mro(owner):
            prefix = f"{base.name}."
            yield from (f for f in self._project.files[base.path].functions if f.qualname.startswith(prefix))


def _is_object(argument: str) -> bool:
    """A variable that is no plain text or number, as far as its annotation tells."""
    kind, _, rest = argument.partition("|")[0].partition(":")
    return kind == "local" or (kind == "param" and rest.partition(":")[2] not in ("str", "bytes", "int"))
