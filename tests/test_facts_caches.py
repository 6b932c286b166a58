"""Function caches: which functions are under one, how many entries it keeps, how open the keys are."""

from __future__ import annotations

import pytest

from leakaudit.facts.caching.caches import (
    cached_functions,
    called_with_method,
    domain,
    emptied,
    library_name,
    runs_once,
)
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project


def project(**files: str) -> Project:
    return Project({f"{name}.py": extract(text) for name, text in files.items()})


def limits(text: str) -> dict[str, str]:
    return {c.function.name: c.limit for c in cached_functions(project(a=text))}


@pytest.mark.parametrize(
    ("decorator", "limit"),
    [
        ("lru_cache", "128"),
        ("lru_cache()", "128"),
        ("lru_cache(64)", "64"),
        ("lru_cache(maxsize=SIZE)", "SIZE"),
        ("lru_cache(maxsize=None)", ""),
        ("lru_cache(None)", ""),
        ("cache", ""),
        ("functools.lru_cache(maxsize=None)", ""),
        ("cachetools.cached(cache={})", ""),
        ("cachetools.cached(cachetools.TTLCache(10, 60))", "cachetools.TTLCache"),
        ("alru_cache(maxsize=7)", "7"),
    ],
)
def test_the_limit_is_read_from_the_decorator(decorator: str, limit: str) -> None:
    text = f"""
import functools, cachetools
from functools import cache, lru_cache
from async_lru import alru_cache

@{decorator}
def load(name): ...
"""
    assert limits(text) == {"load": limit}


def test_a_cache_of_size_zero_and_other_decorators_are_none() -> None:
    assert not limits("""
from functools import lru_cache, wraps
import cachetools

@lru_cache(maxsize=0)
def off(): ...

@cachetools.cached(cache=None)
def without(): ...

@wraps(off)
def other(): ...
""")


def test_the_assignment_form_is_a_cache_of_the_function_that_it_wraps() -> None:
    cached = next(
        cached_functions(
            project(
                a="""
from functools import lru_cache

class Report:
    def _total(self): ...
    total = lru_cache(maxsize=9)(_total)
"""
            )
        )
    )
    assert (cached.function.qualname, cached.limit, cached.location.line, cached.on_instances) == (
        "Report._total",
        "9",
        6,
        True,
    )


def test_a_cache_is_known_through_a_compatibility_module() -> None:
    linked = project(
        compat="try:\n    from functools import lru_cache\nexcept ImportError:\n    lru_cache = None\n",
        own="def lru_cache(function): return function\n",
        user="from compat import lru_cache\nfrom own import lru_cache as mine\n",
    )
    assert library_name(linked, "x:compat.lru_cache", "user.py") == "functools.lru_cache"
    assert library_name(linked, "x:own.lru_cache", "user.py") == ""


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        ("", "finite"),
        ("color: Color, upper: bool", "finite"),
        ("kind", "likely-finite"),
        ("thing", "unknown"),
        ("upper: bool, user_id: int", "fresh"),
        ("url", "text"),
        ("handler: Callable[[], None]", "fresh"),
    ],
)
def test_the_most_open_parameter_decides(parameters: str, answer: str) -> None:
    linked = project(a=f"import enum\nclass Color(enum.Enum): ...\ndef load({parameters}): ...\n")
    assert domain(linked, "a.py", linked.files["a.py"].functions[0]).value == answer


def test_a_cache_that_is_emptied_is_told_by_name() -> None:
    linked = project(a="def load(): ...\ndef reset(): load.cache_clear()\n")
    found = emptied(linked, "load")
    assert found is not None
    assert (found.path, found.func) == ("a.py", 1)
    assert emptied(linked, "store") is None


def test_a_call_that_passes_a_bound_method_is_found() -> None:
    linked = project(
        a="""
from functools import cache

@cache
def accepts(handler): ...

accepts(len)

class Server:
    def handle(self): return accepts(self.handle)
"""
    )
    pinning = called_with_method(linked, next(cached_functions(linked)))
    assert pinning is not None
    assert pinning[1].line == 10


def test_coroutines_and_generators_can_be_used_only_once() -> None:
    found = {
        c.function.name: runs_once(c)
        for c in cached_functions(
            project(
                a="""
from functools import cache
from async_lru import alru_cache

@cache
async def fetch(): ...

@cache
def lines(): yield 1

@cache
def plain(): return 1

@alru_cache
async def awaited(): ...
"""
            )
        )
    }
    assert found == {"fetch": True, "lines": True, "plain": False, "awaited": False}
