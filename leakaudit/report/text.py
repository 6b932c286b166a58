"""Text for a terminal: findings with their source, or the verdicts of a live process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakaudit.report import text_runtime, text_scan

if TYPE_CHECKING:
    from leakaudit.findings.report import Report
    from leakaudit.report import View


def render(report: Report, view: View) -> str:
    """Return the report as text for people."""
    lines = text_runtime.lines(report, view) if report.runtime else text_scan.lines(report, view)
    return "".join(f"{line}\n" for line in lines)
