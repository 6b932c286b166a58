"""Before and after a cure: what counts as cured, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_samples import HITS, RUNTIME

from leakaudit.findings import Status, Verdict
from leakaudit.findings.before_after import Fate, compare
from leakaudit.findings.report import Unexplained
from leakaudit.report.text_before_after import lines

GREW = Verdict(Status.CONFIRMED, "it rose", entries_per_s=2.0, bytes_per_s=100.0, entries=(1, 41), samples=20)
QUIET = Verdict(Status.NOT_GROWING, "it stood still", entries_per_s=0.0, entries=(3, 3), samples=20)
BOUNDED = Verdict(Status.BOUNDED, "it evicts at 100", entries=(100, 100), samples=20)
UNRESOLVED = Verdict(Status.UNRESOLVED, "its module is not imported")


def report(*verdicts, duration_s=60.0, unexplained=()):
    audit = replace(RUNTIME.runtime, duration_s=duration_s, unexplained=unexplained)
    findings = tuple(
        replace(HITS, symbol=f"app.cache_{number}", verdict=verdict)
        for number, verdict in enumerate(verdicts)
        if verdict is not None
    )
    return replace(RUNTIME, findings=findings, runtime=audit)


@pytest.mark.parametrize(
    ("before", "after", "fate"),
    [
        (GREW, QUIET, Fate.CURED),
        (GREW, BOUNDED, Fate.CURED),
        (GREW, None, Fate.CURED),
        (GREW, GREW, Fate.STILL),
        (GREW, UNRESOLVED, Fate.UNKNOWN),
        (QUIET, GREW, Fate.NEW),
        (None, GREW, Fate.NEW),
    ],
)
def test_what_becomes_of_a_growth(before, after, fate):
    found = compare(report(before), report(after))
    assert [change.fate for change in found.changes] == [fate]
    assert found.passed is (fate is Fate.CURED)


@pytest.mark.parametrize(("verdict", "fate"), [(QUIET, Fate.CURED), (GREW, Fate.STILL)])
def test_what_another_rule_names_now_is_the_same_container(verdict, fate):
    after = report(verdict)
    after = replace(after, findings=tuple(replace(f, rule="LA106") for f in after.findings))
    (change,) = compare(report(GREW), after).changes
    assert (change.fate, change.after) == (fate, verdict)


def test_what_never_grew_is_no_change():
    assert compare(report(QUIET), report(BOUNDED)).changes == ()


def test_too_short_a_look_proves_nothing():
    slow = replace(GREW, entries_per_s=0.01)
    (change,) = compare(report(slow), report(QUIET, duration_s=60.0)).changes
    assert change.fate is Fate.UNKNOWN
    assert "watch for 500 s or more" in change.reason


def test_the_worst_comes_first():
    found = compare(report(GREW, GREW, QUIET), report(QUIET, GREW, GREW))
    assert [change.fate for change in found.changes] == [Fate.STILL, Fate.NEW, Fate.CURED]


def test_new_growth_without_a_finding_counts_if_it_is_a_part_worth_speaking_of():
    large = Unexplained("dict", (1, 9), 1.0, 900.0, 0.4, symbol="lib.registry")
    small = Unexplained("list", (1, 9), 1.0, 9.0, 0.01, symbol="lib.log")
    found = compare(report(GREW), report(QUIET, unexplained=(large, small)))
    assert [(change.fate, change.symbol) for change in found.changes] == [
        (Fate.NEW, "lib.registry"),
        (Fate.CURED, "app.cache_0"),
    ]
    assert not found.passed


def test_the_text_tells_rates_and_the_sum():
    text = "\n".join(lines(compare(report(GREW, QUIET), report(QUIET, GREW)), 100, color=False))
    assert "new                      not growing            2/s 100 B/s" in text
    assert "cured                    2/s 100 B/s            not growing" in text
    assert text.endswith("failed: 1 cured, 1 new")
