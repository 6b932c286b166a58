"""Text for a terminal: findings with their source, or the verdicts of a live process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakaudit.findings.report import Report
    from leakaudit.report import View


def render(report: Report, view: View) -> str:
    """Return the report as text for people."""
    if report.runtime:
        from leakaudit.report.text_runtime import lines
    else:
        from leakaudit.report.text_scan import lines
    return "".join(f"{line}\n" for line in lines(report, view))
