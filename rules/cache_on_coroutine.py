"""LA403: a cache that keeps coroutines or generators instead of their results."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.caching.caches import Cached, cached_functions, runs_once
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect


class CacheOnCoroutine(Rule):
    """A function cache wraps an `async def` or a generator, so it keeps objects that can be used only once.

    ## What it does

    Flags `functools.cache`, `lru_cache` and `cachetools.cached` directly on coroutine functions and generator functions.

    ## Why it leaks

    Calling such a function returns a coroutine or generator, and that is what the cache keeps, with its frame, its
    arguments and all their referents. The second caller gets the used-up object: a coroutine raises `RuntimeError`, a
    generator yields nothing.

    ## Example

        from functools import lru_cache

        @lru_cache(maxsize=None)
        async def profile(user_id):
            return {"id": user_id}

    ## Use instead

        from async_lru import alru_cache

        @alru_cache(maxsize=1024)
        async def profile(user_id):
            return {"id": user_id}

    ## What we do not flag

    Caches made for coroutines (`alru_cache`); coroutine functions that another decorator turns into something else below
    the cache.

    ## References

    - https://docs.python.org/3/library/functools.html#functools.lru_cache (it should not wrap async functions or generators)
    """

    code = "LA403"
    name = "cache-on-coroutine"
    object_types = ("coroutine", "generator", "functools._lru_cache_wrapper")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the cached coroutine and generator functions."""
        for cached in cached_functions(project):
            lines = cached.function.decorator_lines
            if runs_once(cached) and (not lines or cached.location.line >= lines[-1]):
                yield self._suspect(project, cached)

    def _suspect(self, project: Project, cached: Cached) -> Suspect:
        function = cached.function
        kind = "coroutine" if function.is_async and not function.is_generator else "generator"
        module = project.module_name(cached.path)
        definition = Location(cached.path, function.line, function.column)
        return Suspect(
            location=cached.location,
            symbol=f"{module}.{function.qualname}",
            message=f"the cache of `{function.name}` keeps {kind}s, which can be used only once, instead of results",
            evidence=(
                Evidence(
                    "cached", kind, f"`{cached.cache}` keeps the {kind} with its frame and arguments", 6
                ),
            ),
            related=(Related(definition, f"calling it makes a {kind}"),),
            notes=(f"the next caller gets a {kind} that is used up",),
            help=(
                "use a cache that awaits, such as `async_lru.alru_cache(maxsize=...)`"
                if function.is_async
                else "cache a list of what it yields",
            ),
            probe=Probe(
                ProbeKind.FUNCTION_CACHE, module, cached.path, function.qualname, "", self.object_types
            ),
        )
