"""GitLab's code quality report: a list of issues that a merge request shows beside the changed lines."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.findings import Severity, Status
from leakaudit.report.told import posix, told

if TYPE_CHECKING:
    from leakaudit.findings import Finding
    from leakaudit.findings.report import FileError, Report
    from leakaudit.report import View

Json = dict[str, object]
_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "minor"}


def render(report: Report, view: View) -> str:  # noqa: ARG001  one signature for all renderers
    """Return an issue for each finding that is shown or confirmed, and for each file not read."""
    return json.dumps([*_findings(report), *map(_error, report.errors)], indent=2) + "\n"


def _findings(report: Report) -> Iterator[Json]:
    seen: Counter[str] = Counter()
    for finding in told(report):
        seen[finding.fingerprint] += 1
        yield _issue(
            description=f"{finding.message} ({finding.symbol}, {finding.confidence.value} confidence)",
            check=f"{finding.rule} {finding.name}",
            # GitLab wants a fingerprint of its own for every issue.
            fingerprint=_digest(finding.fingerprint, str(seen[finding.fingerprint])),
            severity=_severity(finding),
            path=finding.location.path,
            line=finding.location.line,
        )


def _severity(finding: Finding) -> str:
    confirmed = finding.verdict is not None and finding.verdict.status is Status.CONFIRMED
    return "blocker" if confirmed else _SEVERITIES[finding.severity]


def _error(error: FileError) -> Json:
    return _issue(
        description=f"could not be read: {error.reason}",
        check="could-not-be-read",
        fingerprint=_digest("could-not-be-read", posix(error.path), error.reason),
        severity="info",
        path=error.path,
        line=error.line or 1,
    )


def _issue(*, description: str, check: str, fingerprint: str, severity: str, path: str, line: int) -> Json:
    return {
        "description": description,
        "check_name": check,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": posix(path), "lines": {"begin": line}},
    }


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
