"""The account of the resident memory: every byte in one place, and no more of them than there are."""

from __future__ import annotations

import gc
import os

import pytest

from leakaudit.process import allocator
from leakaudit.runtime.census import Census
from leakaudit.runtime.census_child import allocator as child
from leakaudit.runtime.census_child.clock import Clock
from leakaudit.runtime.census_child.library import library as functions
from leakaudit.runtime.memory import FREE, LIVE, NAMED, NATIVE, OBJECTS, OWN, UNKNOWN, account, seen_outside

MIB = 2**20
OUTSIDE = {
    "rss": 200 * MIB,
    "parts": {
        allocator.MAIN_HEAP: 50 * MIB,
        allocator.ANONYMOUS: 100 * MIB,
        allocator.LIBRARIES: 45 * MIB,
        allocator.STACKS: 5 * MIB,
    },
}


def census(live=120 * MIB, free=10 * MIB, named=30 * MIB, python=100 * MIB):
    return Census(
        t=0.0, live=live, free=free, objects=1, containers={}, types={}, named_bytes=named, python=python
    )


def test_all_parts_add_up_to_the_resident_memory():
    found = dict(account(OUTSIDE, census(), MIB))
    assert found == {
        NAMED: 30 * MIB,
        OBJECTS: 70 * MIB,
        FREE: 10 * MIB,
        NATIVE: 20 * MIB + 19 * MIB,  # what malloc gave to others, and what no allocator knows of
        OWN: MIB,
        allocator.LIBRARIES: 45 * MIB,
        allocator.STACKS: 5 * MIB,
    }
    assert sum(found.values()) == OUTSIDE["rss"]


@pytest.mark.parametrize(
    "seen",
    [
        census(live=900 * MIB, python=800 * MIB),  # swapped out
        census(free=900 * MIB),  # not touched
        census(named=None),
        census(python=None),
        census(live=None),
        None,
    ],
)
def test_no_part_is_larger_than_what_is_left(seen):
    found = dict(account(OUTSIDE, seen, MIB))
    assert sum(found.values()) == OUTSIDE["rss"]
    assert min(found.values()) > 0


def test_what_is_not_known_is_called_so():
    assert dict(account(OUTSIDE, None, 0))[UNKNOWN] == 150 * MIB
    assert dict(account(OUTSIDE, census(python=None), 0))[LIVE] == 90 * MIB
    assert account(None, census(), 0) == ()


def test_the_account_of_a_live_process_adds_up():
    found = seen_outside(os.getpid())
    assert sum(size for _, size in account(found, None, 0)) == found["rss"]


def test_large_objects_are_counted_once_also_where_the_collector_does_not_know_them(monkeypatch):
    from leakaudit.runtime import agent

    for name, value in vars(agent).items():
        monkeypatch.setitem(functions, name, value)
    before = child.large(gc.get_objects(), Clock(60.0), 1.0)
    text = "x" * MIB
    held = [text, text, {1: "y" * MIB}]
    gained = child.large(gc.get_objects(), Clock(60.0), 1.0) - before
    assert 2 * MIB <= gained < 2.5 * MIB
    assert len(held) == 3


def test_no_time_left_counts_nothing():
    assert child.large(gc.get_objects(), Clock(-1.0), 1.0) is None
