"""When limits are reached, and what a target gives back when asked to."""

from __future__ import annotations

import gc
import os
from dataclasses import replace

import pytest
from runtime_target import SERVE, ask, channel, hear, running, starter

from leakaudit.findings import Status, Verdict
from leakaudit.report.units import hours
from leakaudit.runtime import audit as audit_module
from leakaudit.runtime import reclaim
from leakaudit.runtime.census import Census
from leakaudit.runtime.outlook import outlook
from leakaudit.runtime.sample import Sample
from leakaudit.runtime.verdict import Watched

LIMITS = {"limits": [{"name": "2GB", "bytes": 2e9, "used": 1e9}]}
GROWING = Verdict(Status.CONFIRMED, "", entries_per_s=1.0, bytes_per_s=50_000.0, share=0.5)


def sample(t):
    return Sample(t, 1, 1, {}, {}, None, "", 0.0, 0.0, 0)


def census(t, live):
    return Census(t=t, live=live, free=0, objects=1, containers={}, types={}, named_bytes=None)


WATCHED = Watched(
    (sample(0.0), sample(10.0)), census(0.0, 0), census(10.0, 1_000_000), resident=(1e9, 1e9 + 2_000_000)
)


def test_a_limit_is_reached_at_the_rate_of_the_heap():
    (found,) = outlook(LIMITS, WATCHED, [GROWING])
    assert found.expected_s == pytest.approx(10_000)  # 100 kB/s
    assert found.soonest_s == pytest.approx(5_000)  # the resident memory's 200 kB/s
    assert found.latest_s == pytest.approx(20_000)  # the confirmed half


def test_without_a_census_the_estimates_tell():
    (found,) = outlook(LIMITS, replace(WATCHED, first=None, last=None), [GROWING])
    assert found.expected_s == found.latest_s == pytest.approx(20_000)
    assert found.soonest_s == pytest.approx(5_000)


def test_a_limit_that_is_passed_already_is_reached_now():
    passed = {"limits": [{"name": "1MB", "bytes": 1e6, "used": 1e9}]}
    assert outlook(passed, WATCHED, [GROWING])[0].expected_s == 0


@pytest.mark.parametrize(
    ("limits", "given"),
    [(LIMITS, []), (None, [GROWING]), (LIMITS, [replace(GROWING, status=Status.NOT_GROWING)])],
)
def test_what_does_not_grow_reaches_nothing(limits, given):
    assert outlook(limits, WATCHED, given) == ()


@pytest.mark.parametrize(
    ("seconds", "text"), [(42, "42 s"), (720, "12 min"), (11_400, "3 h 10 min"), (12 * 86_400, "12 days")]
)
def test_times_to_come(seconds, text):
    assert hours(seconds) == text


GARBAGE = """
import gc
gc.disable()
class Node: pass
def litter():
    for _ in range(20000):
        node = Node(); node.own = node; node.data = bytearray(1000)
litter()
"""


def test_a_target_tells_what_it_gave_back(tmp_path):
    with running(GARBAGE + SERVE, tmp_path) as process, channel() as opened:
        opened.put("reclaim.py", audit_module.RECLAIM.read_bytes())
        ask(process, f"({starter(opened)})")
        opened.send(do="reclaim")
        found = hear(opened, "reclaimed")
        assert found["record"] == "reclaimed"
        assert found["unreachable"] >= 20_000
        before, _, after = found["rss"]
        assert before - after > 10 * 2**20
        assert found["collect_ms"] > 0
        assert found["trim_ms"] > 0
        assert ask(process, "gc.isenabled()") is False


def test_resident_bytes_are_those_that_the_kernel_tells():
    pages = int(open("/proc/self/statm", encoding="ascii").read().split()[1])  # noqa: SIM115
    assert reclaim.resident() == pytest.approx(pages * os.sysconf("SC_PAGE_SIZE"), rel=0.05)
    assert gc.isenabled()
