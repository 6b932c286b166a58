"""The shared nouns: what a finding is, wherever it came from."""

from leakaudit.findings.model import (
    Confidence,
    Evidence,
    Finding,
    Fix,
    Location,
    Probe,
    ProbeKind,
    Related,
    Severity,
    SharedBytes,
    Status,
    Suppression,
    Verdict,
)

__all__ = [
    "Confidence",
    "Evidence",
    "Finding",
    "Fix",
    "Location",
    "Probe",
    "ProbeKind",
    "Related",
    "Severity",
    "SharedBytes",
    "Status",
    "Suppression",
    "Verdict",
]
