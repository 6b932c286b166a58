"""The pytest plugin, as a project uses it: leaks fail with their name, everything else passes."""

from __future__ import annotations

import re

import pytest

pytest_plugins = ("pytester",)

SHOP = """
from collections import OrderedDict, deque
from functools import lru_cache
from itertools import count

numbers = count()
orders, handlers, recent, warm = {}, {"paid": []}, deque(maxlen=4), OrderedDict()


class Basket:
    def __init__(self):
        self.lines = []


class Event:
    def __init__(self, before):
        self.before = before


class Undo:
    last = None


basket = Basket()


def order():
    orders[f"order {next(numbers)}"] = "paid"


def subscribe():
    handlers["paid"].append(lambda: None)


def undo():
    Undo.last = Event(Undo.last)


@lru_cache(maxsize=None)
def price(number):
    return [number]


@lru_cache(maxsize=1000)
def tax(number):
    return [number]


def look_around():
    number = next(numbers)
    recent.append(number)
    warm[number] = number
    if len(warm) > 20:
        warm.popitem(last=False)
"""

LEAKING = """
import asyncio
import pytest
import shop

@pytest.mark.leakaudit
def test_dict():
    shop.order()

@pytest.mark.leakaudit(rounds=3, repeat=5)
def test_list_of_an_instance():
    shop.basket.lines.append(object())

@pytest.mark.leakaudit(rounds=2)
def test_nested():
    shop.subscribe()

@pytest.mark.leakaudit(rounds=2)
def test_cache():
    shop.price(next(shop.numbers))

@pytest.mark.leakaudit(rounds=2)
def test_chain():
    shop.undo()

@pytest.mark.leakaudit(rounds=2)
@pytest.mark.parametrize("kind", ["a"])
def test_with_arguments(kind, tmp_path):
    shop.orders[tmp_path / kind / str(next(shop.numbers))] = 1

def test_fixture(leakaudit):
    kept = []
    leakaudit.check(lambda: kept.append(object()), rounds=2, repeat=3, warmup=0)
"""

FINE = """
import logging
import re
from itertools import count
from unittest.mock import Mock

import pytest
import shop

pytestmark = pytest.mark.leakaudit(rounds=2)

def test_bounded():
    shop.look_around()

def test_bounded_cache():
    shop.tax(next(shop.numbers))

def test_garbage():
    cycle = {}
    cycle["self"] = cycle

def test_the_runners_own_records(caplog, capsys, mock=Mock()):
    logging.getLogger("shop").warning("sold out")
    print("sold out")
    mock()

def test_the_librarys_own_caches(numbers=count()):
    re.compile(f"item {next(numbers)}")

@pytest.mark.leakaudit(ignore="shop.orders")
def test_ignored():
    shop.order()
"""


@pytest.fixture
def project(pytester):
    """A project with a shop in it; gives the function that runs its tests and returns the result and the text."""
    pytester.makepyfile(shop=SHOP)

    def run(tests, *options):
        pytester.makepyfile(test_shop=tests)
        result = pytester.runpytest_subprocess("--show-capture=no", *options)
        return result, re.sub(r"\s+", " ", result.stdout.str() + result.stderr.str())

    return run


def test_leaks_fail_with_name_place_rate_and_path(project):
    result, text = project(LEAKING)
    result.assert_outcomes(failed=7)
    for told in (
        "1 thing grows with every call of test_dict (5 rounds of 10 calls, after 10 to warm up) shop.orders (shop.py:6): +1 entry",
        "kept by module shop -> shop.orders",
        "shop.Basket.lines (shop.py:11): +1 entry",
        "a call (10 -> 25) kept by module shop -> shop.basket -> Basket.lines",
        "shop.handlers[...] (shop.py:6): +1 entry",
        "shop.price (shop.py:39): +1 entry",
        "shop.Event (shop.py:20): +1 object a call (10 -> 30) kept by module shop -> shop.Undo -> Undo.last",
        "every call of test_with_arguments[a]",
        ".kept: +1 entry",
        "gained: 20 function",
    ):
        assert told in text, told


def test_bounds_garbage_and_the_runners_own_records_are_no_leaks(project):
    result, _ = project(FINE)
    result.assert_outcomes(passed=6)


def test_coroutines_are_repeated_by_whatever_awaits_them(project, pytester):
    pytester.makeconftest("""
        import asyncio, inspect
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(pyfuncitem):
            if inspect.iscoroutinefunction(pyfuncitem.obj):
                asyncio.run(pyfuncitem.obj())
                return True
    """)
    result, text = project("""
        import pytest, shop

        @pytest.mark.leakaudit(rounds=2, repeat=2, warmup=1)
        async def test_await():
            shop.order()
    """)
    result.assert_outcomes(failed=1)
    assert "shop.orders (shop.py:6): +1 entry" in text


def test_it_can_be_turned_off(project):
    result, _ = project(LEAKING, "--leakaudit-off")
    result.assert_outcomes(passed=7)


def test_a_test_that_fails_by_itself_fails_as_ever(project):
    result, text = project("""
        import pytest

        @pytest.mark.leakaudit
        def test_wrong():
            assert 1 + 1 == 3
    """)
    result.assert_outcomes(failed=1)
    assert "assert (1 + 1) == 3" in text
    assert "grows with every call" not in text


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("leakaudit(rounds=1)", "rounds is 1: give a whole number, 2 or more"),
        ("leakaudit(turns=3)", "the leakaudit marker does not know turns"),
        ("leakaudit(3)", "the leakaudit marker does not know (3,)"),
    ],
)
def test_a_wrong_marker_is_refused_before_anything_runs(project, mark, told):
    result, text = project(f"""
        import pytest

        @pytest.mark.{mark}
        def test_one():
            pass
    """)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert told in text


def test_a_unittest_method_is_refused_with_the_way_out(project):
    result, text = project("""
        import unittest
        import pytest

        class Shop(unittest.TestCase):
            @pytest.mark.leakaudit
            def test_one(self):
                pass
    """)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "cannot repeat a unittest method" in text
