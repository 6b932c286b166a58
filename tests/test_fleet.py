"""Several processes as one report: sums, shares of the whole, and which process did what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_samples import HITS, RUNTIME

from leakaudit.findings import Status, Verdict
from leakaudit.findings.fleet import together
from leakaudit.findings.report import Unexplained
from leakaudit.report.json_v1 import render
from leakaudit.report.json_v1_parse import parse


def process(pid, verdict, *, host="", growth=1000.0, unexplained=()):
    audit = replace(
        RUNTIME.runtime, pid=pid, host=host, heap_growth_bytes_per_s=growth, unexplained=unexplained, notes=()
    )
    return replace(RUNTIME, findings=(replace(HITS, verdict=verdict),), runtime=audit)


def confirmed(rate, size):
    return Verdict(
        Status.CONFIRMED,
        "its low-water mark rose",
        entries_per_s=rate,
        bytes_per_s=size,
        share=size / 1000,
        entries=(10, 10 + round(10 * rate)),
        samples=10,
    )


QUIET = Verdict(Status.NOT_GROWING, "it stood still", entries_per_s=0.0, entries=(3, 3), samples=10)


def test_a_single_process_stays_as_it_is():
    report = process(1, QUIET)
    assert together([report]) is report


def test_entries_and_rates_are_sums_and_the_share_is_of_all_growth():
    found = together([process(1, confirmed(2.0, 600)), process(2, confirmed(1.0, 300)), process(3, QUIET)])
    verdict = found.findings[0].verdict
    assert verdict.status is Status.CONFIRMED
    assert verdict.entries == (23, 53)
    assert verdict.entries_per_s == pytest.approx(3.0)
    assert verdict.share == pytest.approx(900 / 3000)
    assert verdict.reason.startswith("grows in 2 of 3 processes: 1 +2/s, 2 +1/s")
    assert found.runtime.heap_growth_bytes_per_s == 3000
    assert [part.runtime.pid for part in found.processes] == [1, 2, 3]


def test_one_leaking_worker_among_quiet_ones_is_told_apart():
    found = together([process(pid, QUIET) for pid in range(2, 9)] + [process(9, confirmed(2.0, 600))])
    assert "grows in 1 of 8 processes: 9 +2/s" in found.findings[0].verdict.reason


def test_what_stands_still_everywhere_is_cleared():
    found = together([process(1, QUIET), process(2, QUIET)])
    verdict = found.findings[0].verdict
    assert verdict.status is Status.NOT_GROWING
    assert verdict.reason == "it stood still (in 2 of 2 processes)"


def test_hosts_are_named_where_there_are_several():
    found = together([process(1, confirmed(2.0, 600), host="a"), process(1, confirmed(1.0, 300), host="b")])
    assert "a:1 +2/s, b:1 +1/s" in found.findings[0].verdict.reason


def test_growth_without_a_finding_is_added_up_by_name():
    item = Unexplained("dict", (1, 11), 1.0, 500.0, 0.5, symbol="app.cache")
    found = together([process(1, QUIET, unexplained=(item,)), process(2, QUIET, unexplained=(item,))])
    (told,) = found.runtime.unexplained
    assert (told.count, told.count_per_s, told.bytes_per_s) == ((2, 22), 2.0, 1000.0)
    assert told.share == pytest.approx(0.5)


def test_it_survives_json():
    found = together([process(1, confirmed(2.0, 600)), process(2, QUIET)])
    again = parse(render(found, None))
    assert again.findings[0].verdict == found.findings[0].verdict
    assert [part.runtime.pid for part in again.processes] == [1, 2]
