"""JSON, schema leakaudit/report/v1: a format of its own that does not move when the carriers do."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING

import leakaudit
from leakaudit.findings import (
    Confidence,
    Evidence,
    Finding,
    Fix,
    Location,
    Probe,
    Related,
    Suppression,
    Verdict,
)
from leakaudit.findings.order import by_growth, by_place

if TYPE_CHECKING:
    from leakaudit.findings.report import (
        FileError,
        Outlook,
        Reclaimed,
        Report,
        RuntimeAudit,
        Series,
        Unexplained,
    )
    from leakaudit.report import View

SCHEMA = "leakaudit/report/v1"
Json = dict[str, object]


def render(report: Report, view: View) -> str:  # noqa: ARG001  one signature for all renderers
    """Return the report as JSON; findings below the threshold are only counted."""
    return json.dumps(document(report), indent=2, allow_nan=False) + "\n"


def document(report: Report) -> Json:
    """Return the report as plain data: all findings at or above the threshold, suppressed ones marked."""
    told = [
        f
        for f in report.findings
        if (report.runtime and f.verdict) or f.confidence.rank >= report.threshold.rank
    ]
    ordered = by_growth(told) if report.runtime else by_place(told)
    result: Json = {
        "schema": SCHEMA,
        "tool": {"name": "leakaudit", "version": leakaudit.__version__},
        "kind": report.kind,
        "findings": [finding(item) for item in ordered],
        "fixed": [finding(item) for item in report.fixed],
        "errors": [_error(item) for item in report.errors],
        "notes": list(report.notes),
        "summary": _summary(report),
    }
    if report.runtime:
        result["runtime"] = _runtime(report.runtime)
    if report.processes:
        result["processes"] = [document(process) for process in report.processes]
    return result


def finding(item: Finding) -> Json:
    """Return one finding as plain data."""
    return {
        "rule": item.rule,
        "name": item.name,
        **_place(item.location),
        "symbol": item.symbol,
        "message": item.message,
        "severity": item.severity.value,
        "confidence": item.confidence.value,
        "evidence": [_evidence(part) for part in item.evidence],
        "related": [_related(part) for part in item.related],
        "notes": list(item.notes),
        "help": list(item.help),
        "object_types": list(item.object_types),
        "probe": _probe(item.probe) if item.probe else None,
        "scope": item.scope,
        "fingerprint": item.fingerprint,
        "fix": _fix(item.fix) if item.fix else None,
        "verdict": _verdict(item.verdict) if item.verdict else None,
        "suppressed": _suppression(item.suppressed) if item.suppressed else None,
    }


def _place(place: Location) -> Json:
    return {
        "path": place.path,
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
    }


def _evidence(item: Evidence) -> Json:
    place = item.location
    return {
        "fact": item.fact,
        "value": item.value,
        "reason": item.reason,
        "weight": item.weight,
        "path": place.path if place else None,
        "line": place.line if place else None,
    }


def _related(item: Related) -> Json:
    return {**_place(item.location), "message": item.message}


def _probe(item: Probe) -> Json:
    return {
        "kind": item.kind.value,
        "module": item.module,
        "path": item.path,
        "qualname": item.qualname,
        "attribute": item.attribute,
        "object_types": list(item.object_types),
    }


def _fix(item: Fix) -> Json:
    return {"description": item.description, "safe": item.safe, "edits": [list(edit) for edit in item.edits]}


def _suppression(item: Suppression) -> Json:
    place = item.location
    return {
        "by": item.by,
        "reason": item.reason,
        "path": place.path if place else None,
        "line": place.line if place else None,
    }


def _verdict(item: Verdict) -> Json:
    return {
        "status": item.status.value,
        "reason": item.reason,
        "entries_per_s": _number(item.entries_per_s),
        "bytes_per_s": _number(item.bytes_per_s),
        "share": _number(item.share),
        "entries": list(item.entries) if item.entries else None,
        "bytes": list(item.bytes) if item.bytes else None,
        "samples": item.samples,
        "exact_bytes": item.exact_bytes,
        "retaining_path": list(item.retaining_path),
        "points": [[_number(at), count] for at, count in item.points],
        "exclusive_bytes": item.exclusive_bytes,
        "shared_with": [{"symbol": part.symbol, "bytes": part.bytes} for part in item.shared_with],
    }


def _error(item: FileError) -> Json:
    return {"path": item.path, "line": item.line, "reason": item.reason, "rule": item.rule}


def _runtime(item: RuntimeAudit) -> Json:
    return {
        "pid": item.pid,
        "python": item.python,
        "command": item.command,
        "method": item.method,
        "duration_s": _number(item.duration_s),
        "interval_s": _number(item.interval_s),
        "samples": item.samples,
        "pause_ms": {"attach": _number(item.attach_pause_ms), "largest": _number(item.largest_pause_ms)},
        "trend": next((series.trend for series in item.series if series.name == "rss"), ""),
        "heap_growth_bytes_per_s": _number(item.heap_growth_bytes_per_s),
        "series": [_series(part) for part in item.series],
        "rss_account": [{"name": name, "bytes": _number(size)} for name, size in item.rss_account],
        "unexplained": [_unexplained(part) for part in item.unexplained],
        "notes": list(item.notes),
        "ended_early": item.ended_early,
        "host": item.host,
        "marks": [[_number(at), text] for at, text in item.marks],
        "outlook": [_outlook(part) for part in item.outlook],
        "reclaimed": _reclaimed(item.reclaimed) if item.reclaimed else None,
    }


def _outlook(item: Outlook) -> Json:
    return {
        "limit": item.limit,
        "bytes": _number(item.bytes),
        "expected_s": _number(item.expected_s),
        "soonest_s": _number(item.soonest_s),
        "latest_s": _number(item.latest_s),
    }


def _reclaimed(item: Reclaimed) -> Json:
    return {
        "before": item.before,
        "collected": item.collected,
        "trimmed": item.trimmed,
        "unreachable": item.unreachable,
        "collect_ms": _number(item.collect_ms),
        "trim_ms": _number(item.trim_ms),
    }


def _series(item: Series) -> Json:
    return {
        "name": item.name,
        "unit": item.unit,
        "first": _number(item.first),
        "last": _number(item.last),
        "largest": _number(item.largest),
        "trend": item.trend,
        "points": [[_number(at), _number(value)] for at, value in item.points],
        "part_of": item.part_of,
    }


def _unexplained(item: Unexplained) -> Json:
    return {
        "type": item.type_name,
        "count": list(item.count),
        "count_per_s": _number(item.count_per_s),
        "bytes_per_s": _number(item.bytes_per_s),
        "share": _number(item.share),
        "retaining_path": list(item.retaining_path),
        "path": item.path,
        "line": item.line,
        "symbol": item.symbol,
        "reason": item.reason,
    }


def _summary(report: Report) -> Json:
    levels = Counter(item.confidence for item in report.shown)
    active = sum(item.suppressed is None for item in report.findings)
    return {
        "findings": len(report.shown),
        **{level.value: levels[level] for level in Confidence},
        "hidden": active - len(report.shown),
        "demoted": len(report.demoted),
        "suppressed": len(report.suppressed),
        "fixed": len(report.fixed),
        "confirmed": len(report.confirmed),
        "threshold": report.threshold.value,
        "files": report.files,
        "lines": report.lines,
        "errors": len(report.errors),
        "seconds": _number(report.seconds),
    }


def _number(value: float | None) -> float | None:
    """Keep six digits; JSON has no word for infinity."""
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.6g}") if abs(value) < 1e6 else round(value, 1)
