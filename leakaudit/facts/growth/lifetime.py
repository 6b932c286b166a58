"""How long does the owner of a container live: process, long, unknown or short?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.growth import lifetime_names as names
from leakaudit.facts.linking.linked import Place, Subject
from leakaudit.facts.model import Call, Flag, Function, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_DEPTH = 4
_VERSION = re.compile(r"_?[vV]?\d+$")


class Lifetimes:
    """Answers for classes and containers; keeps what it found."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[Place, Answer] = {}

    def of(self, subject: Subject) -> Answer:
        """Return the lifetime of a container's owner."""
        container = subject.container
        if subject.scope == "m":
            return Answer(
                "process", "module level: lives until the process ends", subject.path, container.line
            )
        if subject.scope == "c" and self.copies_defaults(Place(subject.path, subject.cls)):
            return self.of_class(Place(subject.path, subject.cls))
        if subject.scope == "c":
            return Answer(
                "process",
                "class attribute: one object for all instances, lives until the process ends",
                subject.path,
                container.line,
            )
        if subject.scope == "d":
            return Answer(
                "process",
                "default argument: made once, lives as long as the function",
                subject.path,
                container.line,
            )
        if subject.scope == "l":
            function = self._project.function(subject.path, container.func)
            if function is not None and stays(function):
                reason = f"a local of `{function.name}`, whose loop never ends"
                return Answer("likely-long", reason, subject.path, container.line)
            return Answer("unknown", "local that a closure keeps", subject.path, container.line)
        return self.of_class(Place(subject.path, subject.cls))

    def copies_defaults(self, place: Place) -> bool:
        """Whether a class gives every instance a copy of its mutable class-level defaults."""
        return bool(self._project.base_names(place) & names.COPYING_BASES)

    def of_class(self, place: Place, depth: int = _DEPTH) -> Answer:
        """Return how long instances of a class live."""
        known = self._known.get(place)
        if known is not None:
            return known
        self._known[place] = Answer("unknown", "part of a cycle of owners")
        answer = self._decide(place, depth)
        self._known[place] = answer
        return answer

    def _decide(self, place: Place, depth: int) -> Answer:
        cls = self._project.class_at(place)
        if cls is None:
            return Answer("unknown", "class not found")
        if cls.func >= 0:
            return Answer("short", f"`{cls.qualname}` is made inside a function", place.path, cls.line)
        nested = place.name.rpartition(".")[2]
        if "metaclass=Singleton" in cls.keywords or any("singleton" in d.lower() for d in cls.decorators):
            return Answer("process", f"`{nested}` is a singleton", place.path, cls.line)
        bases = self._project.base_names(place)
        sites = self._sites(place)
        answers = [self._site(place, path, call, depth) for path, call in sites] if depth > 0 else []
        for wanted in ("process", "long"):
            for answer in answers:
                if answer.value == wanted:
                    return answer
        if bases & names.SHORT_BASES and not bases & names.THREAD_BASES:
            return Answer(
                "short",
                f"`{nested}` is a {', '.join(sorted(bases & names.SHORT_BASES))}",
                place.path,
                cls.line,
            )
        if answers and all(a.value == "short" for a in answers):
            return answers[0]
        if (
            answers
            and all(a.value in ("short", "likely-short") for a in answers)
            and not self._is_thread(place)
        ):
            return next(a for a in answers if a.value == "likely-short")
        return self._by_cues(place, nested, bases, answers)

    def _by_cues(self, place: Place, name: str, bases: set[str], answers: list[Answer]) -> Answer:
        cls = self._project.class_at(place)
        assert cls is not None
        if self._is_data(place):
            lasting = {word for n in (name, *bases) for word in words(n)[-1:]} & names.LONG_WORDS
            if lasting:
                reason = f"`{name}` is named like something that a process keeps (`{min(lasting)}`)"
                local = next((a for a in answers if a.value in ("short", "likely-short")), None)
                if local is not None:
                    return Answer("unknown", f"{reason}, but {local.reason}", local.path, local.line)
                return Answer("likely-long", reason, place.path, cls.line)
            return Answer("short", f"`{name}` is a data class", place.path, cls.line)
        if bases & names.THREAD_BASES and not self._ends(place, bases):
            return Answer(
                "long", f"`{name}` is a {', '.join(sorted(bases & names.THREAD_BASES))}", place.path, cls.line
            )
        methods = {m for p in self._project.mro(place) for m in (self._project.class_at(p) or cls).methods}
        loops = [
            f
            for m in sorted(methods)
            if (at := self._project.method(place, m)) is not None
            and (f := self._project.function(*at)) is not None
            and f.forever
            and not f.is_generator
        ]
        loops = [f for f in loops if names.LOOP_NAME.match(f.name)]
        if loops:
            scoped = "__exit__" in methods or "__aexit__" in methods
            value = "scoped" if scoped else "long"
            return Answer(value, f"`{name}.{loops[0].name}` runs a loop for ever", place.path, loops[0].line)
        serving = sorted(methods & names.LONG_METHODS - {"shutdown"})
        if serving:
            return Answer("long", f"`{name}` has `{serving[0]}`", place.path, cls.line)
        if any(a.value == "keyed" for a in answers):
            return next(a for a in answers if a.value == "keyed")
        tail = words(_VERSION.sub("", name))[-1:]
        kept = ("unseen", "likely-long", "unknown") if self._is_kept(place) else ("unseen", "likely-long")
        held = next((a for a in answers if a.value in kept), None)
        if tail and tail[-1] in names.SHORT_WORDS and held is not None:
            return Answer("unseen", f"a `{name}` is kept by its owner; {held.reason}", held.path, held.line)
        if tail and tail[-1] in names.SHORT_WORDS:
            return Answer(
                "short", f"`{name}` is named like something of one request or call", place.path, cls.line
            )
        if set(tail) & names.LONG_WORDS:
            return Answer(
                "likely-long", f"`{name}` is named like something that a process keeps", place.path, cls.line
            )
        if {"__next__", "__anext__"} & methods:
            return Answer(
                "likely-short",
                f"`{name}` is an iterator: it ends with what it runs over",
                place.path,
                cls.line,
            )
        if answers and any(a.value in ("short", "likely-short") for a in answers):
            return Answer("likely-short", answers[0].reason, answers[0].path, answers[0].line)
        if not answers:
            return Answer(
                "unseen",
                f"nothing in the project makes a `{name}`, so its users decide how long it lives",
                place.path,
                cls.line,
            )
        return Answer("unknown", f"nothing tells how long a `{name}` lives", place.path, cls.line)

    def _is_kept(self, place: Place) -> bool:
        """Whether every instance that is seen to be made goes into an attribute."""
        sites = self._project.constructions.get(place, ())
        return bool(sites) and all(call.usage.startswith("store:i:") for _, call in sites)

    def _is_thread(self, place: Place) -> bool:
        return bool(self._project.base_names(place) & names.THREAD_BASES)

    def _ends(self, place: Place, bases: set[str]) -> bool:
        """Whether it is a thread or process, and what that runs comes to an end."""
        at = self._project.method(place, "run") if bases & {"Thread", "Process"} else None
        run = self._project.function(*at) if at is not None else None
        return run is not None and not any((run.forever, *self._loops_below(place, run.calls)))

    def _loops_below(self, place: Place, calls: tuple[str, ...]) -> list[bool]:
        found = []
        for name in calls:
            at = self._project.callee(name, place.path, -1) if name.startswith("i:") else None
            function = self._project.function(*at) if at is not None else None
            found.append(function is not None and function.forever)
        return found

    def _is_data(self, place: Place) -> bool:
        cls = self._project.class_at(place)
        return cls is not None and any(
            d.partition(":")[2].removesuffix(".()") in names.DATA_DECORATORS
            or d.rstrip(".()") in names.DATA_DECORATORS
            for d in cls.decorators
        )

    def _sites(self, place: Place) -> list[tuple[str, Call]]:
        found = list(self._project.constructions.get(place, ()))
        for subclass in self._project.subclasses.get(place, ())[:8]:
            found.extend(self._project.constructions.get(subclass, ())[:4])
        return found[:24]

    def _site(self, place: Place, path: str, call: Call, depth: int) -> Answer:
        usage = call.usage
        while usage.startswith("await:"):
            usage = usage[6:]
        verb, _, rest = usage.partition(":")
        name = place.name.rpartition(".")[2]
        if (call.func < 0 and verb in ("name", "arg", "drop", "element", "")) or (
            rest.startswith("m:") and verb in ("name", "store")
        ):
            return Answer("process", f"a `{name}` is made at module level", path, call.line)
        if verb == "store" and rest.startswith(("i:", "c:")):
            owner = rest.partition(":")[2].rpartition(".")[0].removesuffix("[]")
            if rest.startswith("c:") or "[]" in rest:
                return self._stored_element(rest.partition("[")[0], path, call, name)
            holder = self._project.class_named(owner, path)
            if holder is not None and self._is_replaced(path, call):
                return Answer("unknown", f"each `{name}` takes the place of the one before", path, call.line)
            return (
                self.of_class(holder, depth - 1)
                if holder is not None
                else Answer("unknown", "held by an unknown class", path, call.line)
            )
        if verb == "with":
            return Answer("short", f"`{name}` is used in a `with`", path, call.line)
        if verb == "name":
            return self._local(path, call, name, depth)
        if verb in ("drop", "receiver", "element", "test", "yield"):
            return Answer("short", f"a `{name}` is made and dropped in one expression", path, call.line)
        if verb == "return":
            return Answer("unknown", f"a `{name}` is returned to the caller", path, call.line)
        return Answer(
            "unknown" if verb == "arg" else "short", f"a `{name}` is made inside a call", path, call.line
        )

    def _is_replaced(self, path: str, call: Call) -> bool:
        """Whether what handles an event keeps a new one in the attribute each time."""
        function = self._project.function(path, call.func)
        return (
            function is not None
            and function.name not in ("__init__", "__new__", "__post_init__")
            and not any(guard.startswith("not ") or " is None" in guard for guard in call.guards)
            and self._project.contexts.of_function(path, call.func).value in ("per-event", "likely-event")
        )

    def _local(self, path: str, call: Call, name: str, depth: int) -> Answer:
        """A local: short, unless the function runs for ever, or it is stored in something that lives longer."""
        function = self._project.function(path, call.func)
        facts = self._project.files[path]
        if function is None:
            return Answer("process", f"a `{name}` is made at module level", path, call.line)
        for owner, tags, line, index in facts.stored:
            if (
                index == call.func
                and f"new:{name}" in tags.replace(f".{name}", f":{name}")
                and owner.startswith(("i:", "m:"))
                and line >= call.line
            ):
                if owner.startswith("m:"):
                    return Answer("process", f"a `{name}` is kept in a module global", path, line)
                holder = self._project.class_named(owner.partition(":")[2].rpartition(".")[0], path)
                if holder is not None and depth > 0:
                    return self.of_class(holder, depth - 1)
        for event in facts.events:
            if (
                event.func == call.func
                and event.op is Op.GROW
                and any(t.endswith(name) and t.startswith("new:") for t in event.value_origins)
            ):
                return self._stored_element(event.owner, path, call, name)
        if function.name in (
            "main",
            "_main",
            "amain",
            "serve",
            "run_server",
            "lifespan",
            "create_app",
            "get_app",
            "make_app",
            "async_main",
            "cli",
        ) or (stays(function) and not call.flags & Flag.FOREVER):
            return Answer(
                "long",
                f"a `{name}` is made in `{function.name}`, which lasts as long as the program",
                path,
                call.line,
            )
        if names.MAKER.match(function.name):
            return Answer("unknown", f"a `{name}` is made by `{function.name}`", path, call.line)
        return Answer("likely-short", f"a `{name}` is a local of `{function.name}`", path, call.line)

    def _stored_element(self, owner: str, path: str, call: Call, name: str) -> Answer:
        subject = self._project.subjects.get(Place(path, owner))
        if subject is None:
            return Answer(
                "keyed", f"each `{name}` is an entry of `{owner.partition(':')[2]}`", path, call.line
            )
        if subject.container.weak:
            return Answer("unknown", f"`{subject.name}` holds it weakly", path, call.line)
        removed = subject.events(Op.SHRINK, Op.CLEAR, Op.TRIM)
        if not removed and subject.scope in "mc":
            return Answer(
                "process",
                f"each `{name}` is kept in `{subject.name}`, from which nothing is removed",
                path,
                call.line,
            )
        return Answer("keyed", f"each `{name}` is an entry of `{subject.name}`", path, call.line)


def stays(function: Function) -> bool:
    """Whether it runs a loop without a way out, or is named like one that lasts."""
    return function.endless or (function.forever and names.LOOP_NAME.match(function.name) is not None)
