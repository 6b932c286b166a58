"""What live processes said of a scan's findings: it raises what was confirmed and lowers what stood still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from leakaudit.findings import Confidence, Evidence, Finding, Status
from leakaudit.findings.report import Report, RuntimeAudit

#: Samples from which on standing still says something.
LEAST_SAMPLES = 8
FACT = "process"


def weigh(report: Report, said: Report, name: str) -> Report:
    """Return a scan's report with what a process said of its findings; `name` is how the notes call that."""
    by_fingerprint = {item.fingerprint: item for item in said.findings if item.verdict is not None}
    tally: Counter[str] = Counter()
    findings = tuple(_weigh(item, by_fingerprint, said.runtime, tally) for item in report.findings)
    parts = [f"{tally[what]} {what}" for what in ("raised", "lowered") if tally[what]]
    note = f"{name}: {', '.join(parts) or 'says nothing that changes a finding'}"
    return replace(report, findings=findings, notes=(*report.notes, note))


def _weigh(
    finding: Finding, said: Mapping[str, Finding], audit: RuntimeAudit | None, tally: Counter[str]
) -> Finding:
    seen = said.get(finding.fingerprint)
    if seen is None or seen.verdict is None:
        return finding
    verdict, span = seen.verdict, audit.duration_s if audit is not None else 0.0
    watched = f"watched for {span:.0f} s in {verdict.samples} samples"
    if verdict.status is Status.CONFIRMED:
        tally["raised"] += 1
        reason = f"a live process confirmed it, {watched}: {verdict.reason}"
        return _with(finding, seen, Confidence.HIGH, Evidence(FACT, "confirmed", reason, 6))
    if verdict.status in (Status.NOT_GROWING, Status.BOUNDED) and verdict.samples >= LEAST_SAMPLES:
        tally["lowered"] += 1
        lower = Confidence.LOW if verdict.status is Status.BOUNDED else _below(finding.confidence)
        reason = f"a live process was {watched}, and it did not grow: {verdict.reason}"
        return _with(finding, seen, lower, Evidence(FACT, verdict.status.value, reason, -3))
    return finding


def _with(finding: Finding, seen: Finding, confidence: Confidence, evidence: Evidence) -> Finding:
    return replace(
        finding, confidence=confidence, evidence=(*finding.evidence, evidence), verdict=seen.verdict
    )


def _below(confidence: Confidence) -> Confidence:
    return Confidence.MEDIUM if confidence is Confidence.HIGH else Confidence.LOW
