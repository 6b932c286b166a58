"""What a live process said changes a scan's confidence, and says so."""

from __future__ import annotations

from dataclasses import replace

from report_samples import HITS, RUNTIME, SCAN

from leakaudit.findings import Confidence, Status, Verdict
from leakaudit.scan.evidence import weigh


def weighed(confidence, verdict):
    scan = replace(SCAN, findings=(replace(HITS, confidence=confidence, verdict=None),), notes=())
    said = replace(RUNTIME, findings=(replace(HITS, verdict=verdict),))
    report = weigh(scan, said, "the evidence")
    return report.findings[0], report.notes


def test_what_was_confirmed_is_sure():
    finding, notes = weighed(Confidence.LOW, Verdict(Status.CONFIRMED, "it rose", samples=20))
    assert finding.confidence is Confidence.HIGH
    assert finding.evidence[-1].value == "confirmed"
    assert "in 20 samples: it rose" in finding.evidence[-1].reason
    assert notes == ("the evidence: 1 raised",)


def test_what_stood_still_is_one_step_less_sure_and_says_for_how_long():
    finding, notes = weighed(Confidence.HIGH, Verdict(Status.NOT_GROWING, "it stood still", samples=20))
    assert finding.confidence is Confidence.MEDIUM
    assert f"watched for {RUNTIME.runtime.duration_s:.0f} s in 20 samples" in finding.evidence[-1].reason
    assert notes == ("the evidence: 1 lowered",)


def test_what_has_a_bound_is_unlikely():
    finding, _ = weighed(Confidence.HIGH, Verdict(Status.BOUNDED, "it evicts at 100", samples=20))
    assert finding.confidence is Confidence.LOW


def test_a_short_look_and_what_was_not_found_change_nothing():
    for verdict in (Verdict(Status.NOT_GROWING, "", samples=3), Verdict(Status.UNRESOLVED, "", samples=20)):
        finding, notes = weighed(Confidence.HIGH, verdict)
        assert finding.confidence is Confidence.HIGH
        assert notes == ("the evidence: says nothing that changes a finding",)
