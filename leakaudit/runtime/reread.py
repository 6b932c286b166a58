"""Reports read again from what was kept: session files, and reports in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leakaudit.errors import LeakAuditError, SessionError, UsageError
from leakaudit.findings.fleet import together
from leakaudit.findings.report import Report
from leakaudit.report.json_v1_parse import parse
from leakaudit.runtime.conclude import conclude
from leakaudit.runtime.replay import METHOD, reports
from leakaudit.runtime.session import Record, read_records, read_session

_REMEDY = "give what `leakaudit runtime` wrote: its session or its JSON"


def read_report(path: Path) -> Report:
    """Return the report in a file: a session's, as far as its whole lines go, or one written with --format json."""
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check the name") from None
    monitored = b'"leakaudit/monitor/v1"' in start
    if b'"leakaudit/compare/v1"' in start:
        raise UsageError(
            f"{path} was recorded by `leakaudit compare`",
            "let the same command with -o tell what it has kept",
        )
    if b'"schema"' in start and b'"record"' not in start and not monitored:
        try:
            return parse(path.read_text(encoding="utf-8", errors="replace"))
        except LeakAuditError as error:
            raise UsageError(f"{path}: {error.cause}", error.remedy) from None
    try:
        if monitored:
            return _recorded(path, read_records(path, "kind"))
        session = read_session(path)
        return conclude(session) if session.first("attached") else _recorded(path, session.records)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SessionError(
            f"{path} is damaged ({error!r})", "take a session that leakaudit has written"
        ) from error


def _recorded(path: Path, records: Sequence[Record]) -> Report:
    found = reports(records)
    if not found:
        raise UsageError(
            f"{path} holds nothing that could be told", "its recording ended before the first look"
        )
    return together(found)


def read_runtime_reports(paths: Sequence[Path]) -> Report:
    """Return what live processes said, of several files together; raises UsageError for the report of a scan."""
    reports = [read_report(path) for path in paths]
    for path, report in zip(paths, reports, strict=True):
        if report.runtime is None:
            raise UsageError(f"{path} is the report of a scan", _REMEDY)
    parts = [part for report in reports for part in (report.processes or (report,))]
    return together(sorted(parts, key=_identity))


def read_audits(paths: Sequence[Path]) -> Report:
    """Return what audits said, of several files together; raises UsageError for what only watched from outside.

    Where nobody was asked about a container, its silence is no cure.
    """
    report = read_runtime_reports(paths)
    if all(
        part.runtime is not None and part.runtime.method == METHOD for part in report.processes or (report,)
    ):
        raise UsageError(f"{', '.join(map(str, paths))}: recorded from outside, without an audit", _REMEDY)
    return report


def _identity(report: Report) -> tuple[str, int]:
    return (report.runtime.host, report.runtime.pid) if report.runtime is not None else ("", 0)
