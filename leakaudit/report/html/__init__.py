"""One self-contained HTML file: findings with their source and verdicts, and a process's curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakaudit.report.html.model import page_of
from leakaudit.report.html.page import write_page

if TYPE_CHECKING:
    from leakaudit.findings.report import Report
    from leakaudit.report import View


def render(report: Report, view: View) -> str:
    """Return the page of one report; of several processes side by side where it adds them up."""
    return write_page(page_of(report, view))
