"""Workflow commands that GitHub shows as annotations on a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakaudit.findings import Severity
from leakaudit.report.style import printable
from leakaudit.report.told import posix, told

if TYPE_CHECKING:
    from leakaudit.findings import Finding
    from leakaudit.findings.report import FileError, Report
    from leakaudit.report import View

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report, view: View) -> str:  # noqa: ARG001  one signature for all renderers
    """Return a workflow command for each finding that is shown or confirmed, and for each file not read."""
    lines = (*map(_finding, told(report)), *map(_error, report.errors))
    return "".join(f"{line}\n" for line in lines)


def _finding(finding: Finding) -> str:
    place = finding.location
    fields: dict[str, object] = {"file": posix(place.path), "line": place.line, "col": place.column}
    if place.end_line is not None:
        fields["endLine"] = place.end_line
    fields["title"] = f"{finding.rule} {finding.name} ({finding.confidence.value})"
    related = (
        f"{posix(item.location.path)}:{item.location.line}: {item.message}" for item in finding.related
    )
    return _command(_LEVELS[finding.severity], fields, "\n".join((finding.message, *related, *finding.help)))


def _error(error: FileError) -> str:
    fields: dict[str, object] = {
        "file": posix(error.path),
        "line": error.line or 1,
        "title": "could not be read",
    }
    return _command("warning", fields, error.reason)


def _command(level: str, fields: dict[str, object], message: str) -> str:
    listed = ",".join(f"{name}={_escape(str(value), properties=True)}" for name, value in fields.items())
    return f"::{level} {listed}::{_escape(message)}"


def _escape(text: str, properties: bool = False) -> str:
    text = printable(text)
    for char in "%\n" + ":," * properties:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
