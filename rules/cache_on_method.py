"""LA402: a function cache whose keys are instances."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.caching.caches import Cached, cached_functions, domain, emptied, runs_once
from leakaudit.facts.growth import population
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

#: A cache of at least this many entries holds every instance of most programs' whole run.
_MANY = 1000
_INSTANCES = {"many": 3, "likely-many": 2, "unknown": 1, "likely-few": 0, "few": -3, "one": -8}
_KEYS = {"text": 1, "fresh": 2}
_VALUE_DECORATORS = ("dataclass", "frozen", "define", "attrs", "attr.s")


class CacheOnMethod(Rule):
    """A function cache wraps a method, so the instance is part of every key and cannot be collected.

    ## What it does

    Flags `functools.lru_cache`, `functools.cache`, `alru_cache`, `cachetools.cached` and their like on instance methods
    and under `@property`, as decorators or as `name = lru_cache(...)(method)` in a class body.

    ## Why it leaks

    The cache belongs to the class and lives as long as the process. Its keys hold `self`: without a maximum every instance
    ever used stays, with all that it refers to; with `maxsize=N` up to N of them do.

    ## Example

        from functools import lru_cache

        class Report:
            def __init__(self, rows):
                self.rows = rows

            @lru_cache(maxsize=None)
            def total(self, column):
                return sum(row[column] for row in self.rows)

    ## Use instead

        from functools import cached_property, lru_cache

        class Report:
            def __init__(self, rows):
                self.rows = rows
                self.total = lru_cache(maxsize=32)(self._total)

            def _total(self, column):
                return sum(row[column] for row in self.rows)

            @cached_property
            def size(self):
                return len(self.rows)

    ## What we do not flag

    Caches made per instance in `__init__` (they go with it), `cached_property`, `cachedmethod`, static methods and class
    methods, methods of enums, metaclasses and singletons, `maxsize=0`, and small caches on classes of which a program
    has few instances. `maxsize=1` counts only where instances are known to come and go.

    ## References

    - https://docs.python.org/3/faq/programming.html#how-do-i-cache-method-calls
    - https://docs.python.org/3/library/functools.html#functools.cached_property
    """

    code = "LA402"
    name = "cache-on-method"
    object_types = ("functools._lru_cache_wrapper",)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the cached instance methods of classes that may have many instances."""
        for cached in cached_functions(project):
            if cached.on_instances and not runs_once(cached):
                yield self._suspect(project, cached)

    def _suspect(self, project: Project, cached: Cached) -> Suspect:
        function = cached.function
        cls = function.cls.rpartition(".")[2]
        count = (
            f"up to {cached.limit} `{cls}` objects"
            if cached.limit
            else f"every `{cls}` that it was called on"
        )
        if cached.limit == "1":
            count = f"the last `{cls}`"
        place = cached.location
        definition = Location(cached.path, function.line, function.column)
        return Suspect(
            location=place,
            symbol=f"{project.module_name(cached.path)}.{function.qualname}",
            message=f"the cache of `{function.name}` keeps {count} alive: `self` is part of its keys",
            evidence=tuple(self._evidence(project, cached)),
            related=(Related(definition, f"`{function.name}` is called with `self`"),)
            if place.line != function.line
            else (),
            notes=(f"the cache belongs to the class `{cls}`, which lives as long as the process",),
            help=(
                "cache on the instance: `functools.cached_property` without arguments, else `self.name = lru_cache(...)(self._name)` in `__init__`",
                "or cache a function of the values that it needs instead of `self`",
            ),
            probe=Probe(
                ProbeKind.FUNCTION_CACHE,
                project.module_name(cached.path),
                cached.path,
                function.qualname,
                "",
                self.object_types,
            ),
            cap=self._cap(project, cached),
        )

    def _cap(self, project: Project, cached: Cached) -> Confidence:
        """A bounded cache is a sure leak only where it is large, and where instances come and go."""
        if emptied(project, cached.function.name) is not None:
            return Confidence.MEDIUM
        if not cached.limit:
            return Confidence.HIGH
        count = population.of_class(project, Place(cached.path, cached.function.cls))
        known = ("many", "likely-many", "unknown") if cached.limit.isdigit() else ("many", "likely-many")
        seen = count.value == "many" or (count.value in known and "callback" not in count.reason)
        return Confidence.HIGH if seen and not _is_small(cached.limit) else Confidence.MEDIUM

    def _evidence(self, project: Project, cached: Cached) -> Iterator[Evidence]:
        limit = cached.limit
        place = Place(cached.path, cached.function.cls)
        if not limit:
            yield Evidence("bound", "none", f"`{cached.cache}` keeps every entry", 5)
        elif limit == "1":
            yield Evidence("bound", "one", "`maxsize=1` keeps the last instance", 0)
        else:
            reason = f"`{cached.cache}` keeps up to {limit} entries, and their instances"
            yield Evidence("bound", limit, reason, 3 if _is_small(limit) else 5)
        count = population.of_class(project, place)
        where = Location(count.path, count.line) if count.path and count.line else None
        yield Evidence("instances", count.value, count.reason, _INSTANCES[count.value], where)
        keys = domain(project, cached.path, cached.function)
        if not limit and count.value.endswith(("one", "few")):
            yield Evidence("key", keys.value, keys.reason, _KEYS.get(keys.value, 0))
        if cached.keyed:
            yield Evidence("key", "function", "the key function may leave out the instance", -5)
        if self._is_value(project, place):
            yield Evidence(
                "equality",
                "by value",
                "equal instances share an entry: a value, whose cache is deliberate",
                -6 if limit else -3,
            )
        clearing = emptied(project, cached.function.name)
        if clearing is not None:
            yield Evidence(
                "cleanup",
                "cache_clear",
                f"`{cached.function.name}.cache_clear()` is called",
                -4,
                self._where(project, clearing.path, clearing.func),
            )

    def _is_value(self, project: Project, place: Place) -> bool:
        cls = project.class_at(place)
        if cls is None:
            return False
        decorated = any(text.rstrip(".()").endswith(_VALUE_DECORATORS) for text in cls.decorators)
        return decorated or "__eq__" in cls.methods or "NamedTuple" in cls.bases

    def _where(self, project: Project, path: str, index: int) -> Location | None:
        function = project.function(path, index)
        return Location(path, function.line) if function is not None else None


def _is_small(limit: str) -> bool:
    """Whether a maximum is known to be small; a named constant may be anything."""
    return limit.isdigit() and int(limit) < _MANY
