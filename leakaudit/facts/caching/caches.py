"""Functions whose results a decorator keeps: which cache, how large it may get, and who empties it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.growth.keys import is_finite_annotation
from leakaudit.facts.linking.linked import Caller
from leakaudit.facts.model import Call, Function, Param
from leakaudit.facts.project import Project
from leakaudit.facts.reading.expressions import type_name
from leakaudit.facts.tables import FINITE_WORDS, FRESH_WORDS, LIKELY_FRESH_WORDS
from leakaudit.findings import Location

#: Cache decorator -> entries that it keeps when it is not told otherwise; None means all of them.
CACHES: dict[str, int | None] = {
    "functools.lru_cache": 128,
    "functools.cache": None,
    "async_lru.alru_cache": 128,
    "backports.functools_lru_cache.lru_cache": 100,
    "functools32.lru_cache": 100,
    "django.utils.lru_cache.lru_cache": 128,
    "cachetools.cached": None,
    "asyncache.cached": None,
    "cachetools.func.lru_cache": 128,
    "cachetools.func.lfu_cache": 128,
    "cachetools.func.fifo_cache": 128,
    "cachetools.func.rr_cache": 128,
    "cachetools.func.ttl_cache": 128,
    "boltons.cacheutils.cached": None,
    "toolz.memoize": None,
    "tlz.memoize": None,
    "cytoolz.memoize": None,
    "toolz.functoolz.memoize": None,
    "funcy.memoize": None,
}
#: Decorators that take the cache itself as an argument.
_GIVEN_CACHE = ("cachetools.cached", "asyncache.cached", "boltons.cacheutils.cached")
_LAST_NAMES = frozenset(name.rpartition(".")[2] for name in CACHES)
_HOPS = 4
#: The answers of `domain`, from few keys to one per event.
OPENNESS = ("finite", "likely-finite", "unknown", "likely-fresh", "text", "fresh")
_TEXT_WORDS = frozenset("url uri query text body content prompt sql html message sentence".split())


@dataclass(frozen=True, slots=True)
class Cached:
    """A function under a cache. `limit` is the maximum as written or known, "" when there is none; `keyed`: by a function."""

    path: str
    index: int
    function: Function
    cache: str
    location: Location
    limit: str
    keyed: bool = False

    @property
    def on_instances(self) -> bool:
        """Whether the instance is part of every key: a method or a property."""
        function = self.function
        first = function.params[0].name if function.params else ""
        return bool(function.cls) and function.kind in ("", "property") and first in _INSTANCE


_INSTANCE = frozenset({"self", "_self", "this", "inst", "instance", "slf", "s"})


def cached_functions(project: Project) -> Iterator[Cached]:
    """Yield every function under a known cache: decorated, or wrapped and bound to a name."""
    for path, facts in project.files.items():
        calls: dict[tuple[int, str], Call] | None = None
        for index, function in enumerate(facts.functions):
            for text, line in zip(function.decorators, function.decorator_lines):
                name = text.removesuffix(".()")
                cache = library_name(project, name, path) if _last(name) in _LAST_NAMES else ""
                if cache not in CACHES:
                    continue
                if calls is None:
                    calls = {(c.line, c.usage): c for c in facts.calls if c.usage.startswith("decorator:")}
                call = calls.get((line, f"decorator:{function.name}"))
                limit = _limit(cache, call if text != name else None)
                if limit != "0":
                    yield Cached(
                        path,
                        index,
                        function,
                        cache,
                        _location(path, line, function, call),
                        limit,
                        _is_keyed(call),
                    )
        yield from _wrapped(project, path)


def runs_once(cached: Cached) -> bool:
    """Tell whether the cache holds a coroutine or generator, which can be used only once."""
    function = cached.function
    return (function.is_async or function.is_generator) and not cached.cache.startswith("async")


def library_name(project: Project, name: str, path: str, hops: int = _HOPS) -> str:
    """Return the dotted name of what an owner-style name means outside the project, followed through re-exports."""
    scope, _, dotted = name.partition(":")
    if scope == "m":
        dotted = project.files[path].imports.get(dotted, "")
    elif scope != "x":
        return ""
    located = project.modules.locate(dotted, path) if dotted else None
    if located is None or not located[1] or not hops:
        return dotted
    target, inside = located
    if target == path or project.function_named(target, inside) is not None:
        return ""
    return library_name(project, f"m:{inside}", target, hops - 1)


def domain(project: Project, path: str, function: Function) -> Answer:
    """Return how many different keys the parameters give, the instance or class left out: `finite` to `fresh`, `text` among them."""
    worst = Answer("finite", "it takes no argument")
    for parameter in function.params[1 if function.cls and function.kind != "static" else 0 :]:
        answer = _parameter(project, path, parameter)
        if (
            OPENNESS.index(answer.value) > OPENNESS.index(worst.value)
            or worst.reason == "it takes no argument"
        ):
            worst = answer
    return worst


def _parameter(project: Project, path: str, parameter: Param) -> Answer:
    name, annotation = parameter.name, parameter.annotation
    kind = project.class_named(type_name(annotation), path) if annotation else None
    if is_finite_annotation(annotation) or (
        kind is not None and any(b.endswith(("Enum", "Flag")) for b in project.base_names(kind))
    ):
        return Answer("finite", f"`{name}: {annotation}` has few values")
    parts = words(name)
    if "Callable" in annotation:
        return Answer(
            "fresh",
            f"`{name}: {annotation}` may be a bound method or a closure, whose object stays with the entry",
        )
    if parts and parts[-1] in FRESH_WORDS:
        return Answer("fresh", f"`{name}` is named like something new for every caller")
    if parts and parts[-1] in _TEXT_WORDS:
        return Answer("text", f"`{name}` is named like a text that callers bring")
    if parts and parts[-1] in LIKELY_FRESH_WORDS:
        return Answer("likely-fresh", f"`{name}` may well be new for every caller")
    if parts and (parts[-1] in FINITE_WORDS or parts[0] in ("is", "has", "use", "with")):
        return Answer("likely-finite", f"`{name}` is named like one of a small set")
    return Answer("unknown", f"nothing tells how many different `{name}` there are")


def emptied(project: Project, name: str) -> Caller | None:
    """Return who calls `cache_clear` on a function of that name, if anyone does."""
    known: dict[str, Caller] | None = project.__dict__.get("_emptied")
    if known is None:
        known = project.__dict__["_emptied"] = {}
        for path in project.callers.files_with("cache_clear"):
            facts = project.files[path]
            for index, calls in (
                (-1, facts.module_calls),
                *((i, f.calls) for i, f in enumerate(facts.functions)),
            ):
                for callee in calls:
                    if callee.endswith(".cache_clear"):
                        known.setdefault(_last(callee[: -len(".cache_clear")]), Caller(path, index))
    return known.get(name)


def called_with_method(project: Project, cached: Cached) -> tuple[str, Call] | None:
    """Return (file, call) of a call inside a function that passes a bound method, a lambda or a nested function."""
    for path, call in project.calls(cached.function.name):
        if call.func < 0 or project.callee(call.callee, path, call.func) != (cached.path, cached.index):
            continue
        for argument in call.args:
            tag = argument.partition("|")[0]
            if (
                tag == "lambda"
                or tag.startswith("closure:")
                or (tag.startswith("bound:") and project.callee(tag[6:], path, call.func))
            ):
                return path, call
    return None


def _wrapped(project: Project, path: str) -> Iterator[Cached]:
    """`name = lru_cache(...)(function)` at module or class level."""
    facts = project.files[path]
    makers = [
        c
        for c in facts.calls
        if c.func < 0
        and c.usage == "call"
        and _last(c.callee) in _LAST_NAMES
        and library_name(project, c.callee, path) in CACHES
    ]
    for maker in makers:
        for outer in facts.calls:
            if (outer.line, outer.column) != (maker.line, maker.column) or outer is maker or not outer.args:
                continue
            target = outer.usage.partition(":")[2]
            wrapped = outer.args[0].partition("|")[0].partition(":")[2].rpartition(".")[2]
            prefix = target.partition(":")[2].rpartition(".")[0]
            index = project.function_named(path, f"{prefix}.{wrapped}" if prefix else wrapped)
            cache = library_name(project, maker.callee, path)
            limit = _limit(cache, maker)
            if index is not None and target[:2] in ("c:", "m:") and limit != "0":
                place = Location(path, outer.line, outer.column, outer.end_line, outer.end_column)
                yield Cached(path, index, facts.functions[index], cache, place, limit)


def _limit(cache: str, call: Call | None) -> str:
    """The maximum number of entries as text; "" for none."""
    default = CACHES[cache]
    if call is None:
        return "" if default is None else str(default)
    given = dict(call.keywords)
    if cache in _GIVEN_CACHE:
        holder = given.get("cache", call.args[0] if call.args else "const:None")
        if holder.startswith("const:None"):
            return "0"
        return (
            ""
            if holder.startswith(("literal:dict", "call:dict"))
            else holder.partition("|")[0].partition(":")[2]
        )
    text = given.get("maxsize", call.args[0] if call.args else "")
    if not text:
        return "" if default is None else str(default)
    value = text.partition(":")[2].partition("|")[0].partition(":")[0]
    return "" if value == "None" else value


def _last(name: str) -> str:
    return name.replace(":", ".").rpartition(".")[2]


def _is_keyed(call: Call | None) -> bool:
    """Whether a function makes the keys; it may leave out the instance."""
    return call is not None and any(name == "key" for name, _ in call.keywords)


def _location(path: str, line: int, function: Function, call: Call | None) -> Location:
    if call is not None:
        return Location(path, call.line, call.column, call.end_line, call.end_column)
    return Location(path, line, function.column + 1)
