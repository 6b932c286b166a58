"""LA401: a function cache without a limit, over arguments without a limit."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.answers import Answer
from leakaudit.facts.caching.caches import (
    Cached,
    cached_functions,
    called_with_method,
    domain,
    emptied,
    runs_once,
)
from leakaudit.facts.caching.memoizers import Memoizer, by_text, memoizers, widest
from leakaudit.facts.growth import judge
from leakaudit.facts.model import Call, Param
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Evidence, Finding, Fix, Location, Probe, ProbeKind, Related
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Rule, Suspect

_KEYS = {"fresh": 3, "text": 2, "likely-fresh": -1, "unknown": -1, "likely-finite": -3, "finite": -12}
_CONTEXT = {"per-event": 2, "likely-event": 1, "start-up": -4, "import": -8, "addition": -2, "registrar": -2}


#: Names of objects that come with an event and refer to much else.
_OF_ONE_EVENT = frozenset("request response flow frame tb traceback websocket greenlet".split())
_MANY = 16


def _is_plain(parameter: Param) -> bool:
    return any(
        word in parameter.annotation for word in ("str", "int", "bytes", "tuple", "Tuple", "Type", "type")
    )


class UnboundedFunctionCache(Rule):
    """A function cache without a maximum keeps every result, and the arguments do not come from a small set.

    ## What it does

    Flags `functools.cache`, `lru_cache(maxsize=None)`, `cachetools.cached(cache={})` and home-made memoizing decorators on
    functions whose arguments are ids, paths, texts, callables or the like, or that are called with a bound method or a
    closure. Flags a cache with a maximum, too, where an argument is a request or another large object of one event.

    ## Why it leaks

    The cache lives as long as the function, usually as long as the process, and has one entry for every distinct
    combination of arguments ever seen. An argument that is an object, or a bound method of one, stays alive with it.

    ## Example

        from functools import cache

        @cache
        def profile(user_id):
            return {"id": user_id}

        def handle_request(request):
            return profile(request.user_id)

    ## Use instead

        from functools import cache, lru_cache

        @lru_cache(maxsize=1024)
        def profile(user_id):
            return {"id": user_id}

        @cache
        def settings():
            return {}

        def handle_request(request):
            return profile(request.user_id), settings()

    ## What we do not flag

    Functions without arguments; arguments that are enums, literals, booleans, classes or named like one of a small set;
    caches with a maximum whose arguments are values; functions nested in others (their cache goes with them); functions that run at import or
    start-up.

    ## References

    - https://docs.python.org/3/library/functools.html#functools.cache
    """

    code = "LA401"
    name = "unbounded-function-cache"
    object_types = ("functools._lru_cache_wrapper", "dict")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the unlimited caches whose keys may go on for ever."""
        for cached in cached_functions(project):
            function = cached.function
            if cached.on_instances or runs_once(cached) or function.parent >= 0:
                continue
            if cached.limit:
                yield from self._pinning(project, cached)
                continue
            keys = domain(project, cached.path, function)
            if keys.value != "finite":
                yield self._suspect(project, cached, keys)
        for memoizer in memoizers(project):
            yield from self._home_made(project, memoizer)

    def _pinning(self, project: Project, cached: Cached) -> Iterator[Suspect]:
        """A cache with a maximum that keeps that many requests, or other things of one event, with all they refer to."""
        function = cached.function
        kept = next((p.name for p in function.params if p.name in _OF_ONE_EVENT and not _is_plain(p)), "")
        if not kept or not cached.limit.isdigit() or int(cached.limit) < _MANY or cached.keyed:
            return
        module = project.module_name(cached.path)
        yield Suspect(
            location=cached.location,
            symbol=f"{module}.{function.qualname}",
            message=f"the cache of `{function.name}` keeps up to {cached.limit} `{kept}` objects alive",
            evidence=(
                Evidence("bound", cached.limit, f"`{cached.cache}` keeps {cached.limit} entries", 1),
                Evidence("argument", kept, f"`{kept}` is another object for each event, and large", 2),
            ),
            notes=("an argument of a cached function stays as long as its entry",),
            help=(f"pass what the function needs of `{kept}`, not the object itself",),
            probe=Probe(
                ProbeKind.FUNCTION_CACHE, module, cached.path, function.qualname, "", self.object_types
            ),
            cap=Confidence.MEDIUM,
        )

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Give it a maximum."""
        from leakaudit.fixes.bounded_cache import bounded

        return bounded(finding, module)

    def _suspect(self, project: Project, cached: Cached, keys: Answer) -> Suspect:
        function = cached.function
        pinning = called_with_method(project, cached)
        related = [Related(Location(cached.path, function.line, function.column), keys.reason)]
        if pinning is not None:
            place = Location(pinning[0], pinning[1].line, pinning[1].column)
            related.append(Related(place, "called here with a bound method or closure"))
        module = project.module_name(cached.path)
        return Suspect(
            location=cached.location,
            symbol=f"{module}.{function.qualname}",
            message=f"the cache of `{function.name}` keeps every result: it has no maximum",
            evidence=tuple(self._evidence(project, cached, keys, pinning)),
            related=tuple(related),
            notes=(keys.reason,),
            help=(
                "give it a maximum: `functools.lru_cache(maxsize=...)`",
                "or cache on the object that the result belongs to",
            ),
            probe=Probe(
                ProbeKind.FUNCTION_CACHE, module, cached.path, function.qualname, "", self.object_types
            ),
        )

    def _evidence(
        self, project: Project, cached: Cached, keys: Answer, pinning: tuple[str, Call] | None
    ) -> Iterator[Evidence]:
        yield Evidence("bound", "none", f"`{cached.cache}` keeps every entry", 1)
        yield Evidence("key", keys.value, keys.reason, _KEYS[keys.value])
        context = project.contexts.of_function(cached.path, cached.index)
        where = Location(context.path, context.line) if context.path and context.line else None
        yield Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0), where)
        if pinning is not None:
            yield Evidence(
                "argument",
                "bound method",
                "a call passes a bound method or closure, whose object stays with the entry",
                4,
            )
        if emptied(project, cached.function.name) is not None:
            yield Evidence("cleanup", "cache_clear", f"`{cached.function.name}.cache_clear()` is called", -3)

    def _home_made(self, project: Project, memoizer: Memoizer) -> Iterator[Suspect]:
        """Home-made decorators, judged by the most open of the functions under them."""
        keys = widest(project, memoizer)
        if not memoizer.wrapped and by_text(memoizer):
            keys = Answer("text", "the keys are the text of whatever it is given, which names addresses, too")
        if keys.value != "finite":
            subject, event = memoizer.subject, memoizer.growth.event
            yield Suspect(
                location=judge.location(subject),
                symbol=project.symbol(subject),
                message=f"`{subject.name}` of the decorator `{memoizer.function.name}` keeps every result: nothing limits it",
                evidence=(
                    Evidence("bound", "none", "nothing removes an entry", 1),
                    Evidence("key", keys.value, keys.reason, _KEYS[keys.value]),
                ),
                related=(
                    Related(
                        Location(memoizer.growth.path, event.line, event.column),
                        f"one entry per `{event.key}`",
                    ),
                ),
                notes=(keys.reason,),
                help=(
                    "use `functools.lru_cache(maxsize=...)`, or evict the oldest entry when the dict passes a limit",
                ),
                probe=judge.probe(project, subject, ("dict",)),
            )
