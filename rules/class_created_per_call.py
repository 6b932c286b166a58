"""LA601: a class is created each time a function runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.caching.caches import CACHES, library_name
from leakaudit.facts.dynamic import Made, decorator_names, made_in_functions
from leakaudit.facts.model import Op
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Probe, ProbeKind
from leakaudit.scan.rule import Rule, Suspect

_CONTEXT = {
    "per-event": 3,
    "likely-event": 1,
    "start-up": -5,
    "import": -8,
    "addition": -3,
    "registrar": -3,
    "called": 0,
}
_CLASS_CONTEXT = {**_CONTEXT, "per-event": 2, "likely-event": 1}
_FACTORY = re.compile(
    r"(^|_)(class|cls|type|model|schema|factory|decorator|wrapper|service|handler|runnable|servicer|mixin|enum)(_|$)|^(wrap|patch|derive)_"
)
_KEPT = re.compile(r" not in | is None|not \w*cache|hasattr\(|not \w+$")
_SET_UP = frozenset(
    "setup set up init initialize configure config install validate migrate main cli command".split()
)


class ClassCreatedPerCall(Rule):
    """A class is made each time a function runs, instead of once.

    ## What it does

    Flags class statements whose body takes something from the call (an attribute set to `self` or to an argument), and
    `sessionmaker`, `create_model`, `namedtuple`, `make_dataclass`, `type(...)` and the like, in functions that run per
    event, when the class is not kept for the next call.

    ## Why it leaks

    A class is a large object, part of a reference cycle with itself, so that only the cycle collector frees it; bases,
    mappers and validators may register it for good. Whatever its body took from the call stays as long as it does.

    ## Example

        class Request:
            def lookup(self, name):
                class Definition:
                    result = (self, name)

                return Definition

        def handle_request(request):
            return Request().lookup(request.name)

    ## Use instead

        from dataclasses import dataclass

        @dataclass
        class Definition:
            result: tuple

        class Request:
            def lookup(self, name):
                return Definition((self, name))

        def handle_request(request):
            return Request().lookup(request.name)

    ## What we do not flag

    Class factories and decorators, whose callers decide; code that runs at import or start-up; classes that are kept
    under a key, in a global or by a cache; helper classes that take nothing from the call: those are only waste.

    ## References

    - https://docs.python.org/3/library/gc.html
    - https://docs.sqlalchemy.org/en/20/orm/session_basics.html#using-a-sessionmaker
    """

    code = "LA601"
    name = "class-created-per-call"
    object_types = ("type",)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the classes that are made per call and not kept."""
        decorators = decorator_names(project)
        for made in made_in_functions(project):
            outermost = made.function.qualname.partition(".<locals>")[0].rpartition(".")[2]
            if outermost not in decorators and not self._is_cached(project, made):
                yield self._suspect(project, made)

    def _is_cached(self, project: Project, made: Made) -> bool:
        function = made.function
        index = project.function_named(made.path, function.qualname)
        kept = any(
            e.func == index and e.op is Op.GROW and e.key and e.value == made.name
            for e in project.files[made.path].events
        ) or any(
            func == index and owner.startswith(("i:", "c:", "m:")) and tags.startswith("call:type")
            for owner, tags, _, func in project.files[made.path].stored
        )
        return kept or any(
            library_name(project, d.removesuffix(".()"), made.path) in CACHES for d in function.decorators
        )

    def _suspect(self, project: Project, made: Made) -> Suspect:
        module = project.module_name(made.path)
        return Suspect(
            location=made.location,
            symbol=f"{module}.{made.function.qualname}.<locals>.{made.name}",
            message=f"each run of `{made.function.name}` makes a new class with {made.how}",
            evidence=tuple(self._evidence(project, made)),
            notes=(
                "a class refers to itself: only the cycle collector frees it, and registries may keep it for good",
            ),
            help=(
                "make the class once, at module level, and give its instances what differs",
                "or keep it under a key with few values",
            ),
            probe=Probe(
                ProbeKind.TYPE_COUNT, module, made.path, made.function.qualname, "", self.object_types
            ),
        )

    def _evidence(self, project: Project, made: Made) -> Iterator[Evidence]:
        function = made.function
        yield Evidence("class", "made", f"{made.how} makes a class", made.weight)
        context = self._context(project, made)
        where = Location(context.path, context.line) if context.path and context.line else None
        yield Evidence(
            "context",
            context.value,
            context.reason,
            (_CLASS_CONTEXT if made.cls else _CONTEXT).get(context.value, 0),
            where,
        )
        if made.cls is not None and made.cls.captures:
            taken = made.cls.captures
            holder = "self" if "self" in taken else taken[0]
            yield Evidence(
                "captures", holder, f"its body takes `{holder}` from the call", 4 if holder == "self" else 2
            )
        if _FACTORY.search(function.name):
            yield Evidence(
                "name", "factory", f"`{function.name}` is named like something that makes classes", -3
            )
        if made.cls is not None and {p.name for p in function.params} & set(made.cls.bases):
            yield Evidence(
                "base", "argument", "it derives from an argument, as decorators and factories do", -3
            )
        if set(words(function.name)) & _SET_UP:
            yield Evidence(
                "name", "set-up", f"`{function.name}` is named like something that runs rarely", -3
            )
        if made.call is not None:
            kept = made.call.usage.startswith("store:") or any(
                _KEPT.search(guard) for guard in made.call.guards
            )
            if kept:
                yield Evidence("kept", "yes", "it is kept for the next call", -8)

    def _context(self, project: Project, made: Made) -> Answer:
        index = project.function_named(made.path, made.function.qualname)
        return project.contexts.of_function(made.path, index if index is not None else -1)
