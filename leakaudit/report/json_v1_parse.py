"""Read a leakaudit/report/v1 document back into a Report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from leakaudit.errors import UsageError
from leakaudit.findings import (
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
from leakaudit.findings.report import FileError, Outlook, Reclaimed, Report, RuntimeAudit, Series, Unexplained
from leakaudit.report.json_v1 import SCHEMA

_Json = Mapping[str, Any]


def parse(text: str) -> Report:
    """Return the report that a document tells of; raises UsageError for anything else. Unknown keys are passed by."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"not a JSON document ({error})", "give a report written with --format json"
        ) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise UsageError(
            f"not a report of the schema {SCHEMA} but {schema!r}", "write it anew with --format json"
        )
    try:
        return _report(document)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"the report is damaged ({error!r})", "write it anew with --format json") from error


def _report(item: _Json) -> Report:
    summary = item["summary"]
    return Report(
        kind=item["kind"],
        findings=tuple(map(_finding, item["findings"])),
        errors=tuple(
            FileError(error["path"], error["reason"], error["line"], error.get("rule", ""))
            for error in item["errors"]
        ),
        files=summary["files"],
        lines=summary["lines"],
        seconds=summary["seconds"],
        runtime=_runtime(item["runtime"]) if item.get("runtime") else None,
        notes=tuple(item["notes"]),
        threshold=Confidence(summary["threshold"]),
        fixed=tuple(map(_finding, item.get("fixed", ()))),
        processes=tuple(map(_report, item.get("processes", ()))),
    )


def _finding(item: _Json) -> Finding:
    return Finding(
        rule=item["rule"],
        name=item["name"],
        location=_location(item),
        symbol=item["symbol"],
        message=item["message"],
        severity=Severity(item["severity"]),
        confidence=Confidence(item["confidence"]),
        evidence=tuple(map(_evidence, item["evidence"])),
        related=tuple(Related(_location(part), part["message"]) for part in item["related"]),
        notes=tuple(item["notes"]),
        help=tuple(item["help"]),
        object_types=tuple(item["object_types"]),
        probe=_probe(item["probe"]) if item["probe"] else None,
        fix=_fix(item["fix"]) if item["fix"] else None,
        suppressed=_suppression(item["suppressed"]) if item["suppressed"] else None,
        verdict=_verdict(item["verdict"]) if item["verdict"] else None,
        scope=item["scope"],
    )


def _location(item: _Json) -> Location:
    return Location(item["path"], item["line"], item["column"], item["end_line"], item["end_column"])


def _line(item: _Json) -> Location | None:
    return None if item["path"] is None else Location(item["path"], item["line"])


def _evidence(item: _Json) -> Evidence:
    return Evidence(item["fact"], item["value"], item["reason"], item["weight"], _line(item))


def _probe(item: _Json) -> Probe:
    return Probe(
        kind=ProbeKind(item["kind"]),
        module=item["module"],
        path=item["path"],
        qualname=item["qualname"],
        attribute=item["attribute"],
        object_types=tuple(item["object_types"]),
    )


def _fix(item: _Json) -> Fix:
    return Fix(
        item["description"], item["safe"], tuple((start, end, text) for start, end, text in item["edits"])
    )


def _suppression(item: _Json) -> Suppression:
    return Suppression(item["by"], item["reason"], _line(item))


def _verdict(item: _Json) -> Verdict:
    return Verdict(
        status=Status(item["status"]),
        reason=item["reason"],
        entries_per_s=item["entries_per_s"],
        bytes_per_s=item["bytes_per_s"],
        share=item["share"],
        entries=_pair(item["entries"]),
        bytes=_pair(item["bytes"]),
        samples=item["samples"],
        exact_bytes=item["exact_bytes"],
        retaining_path=tuple(item["retaining_path"]),
        points=tuple((at, count) for at, count in item.get("points", ())),
        exclusive_bytes=item.get("exclusive_bytes"),
        shared_with=tuple(SharedBytes(part["symbol"], part["bytes"]) for part in item.get("shared_with", ())),
    )


def _pair(item: Iterable[int] | None) -> tuple[int, int] | None:
    if item is None:
        return None
    first, last = item
    return first, last


def _runtime(item: _Json) -> RuntimeAudit:
    return RuntimeAudit(
        pid=item["pid"],
        python=item["python"],
        method=item["method"],
        duration_s=item["duration_s"],
        interval_s=item["interval_s"],
        samples=item["samples"],
        attach_pause_ms=item["pause_ms"]["attach"],
        largest_pause_ms=item["pause_ms"]["largest"],
        heap_growth_bytes_per_s=item["heap_growth_bytes_per_s"],
        series=tuple(map(_series, item["series"])),
        rss_account=tuple((part["name"], part["bytes"]) for part in item["rss_account"]),
        unexplained=tuple(map(_unexplained, item["unexplained"])),
        notes=tuple(item["notes"]),
        command=item["command"],
        ended_early=item["ended_early"],
        outlook=tuple(Outlook(**part) for part in item.get("outlook", ())),
        reclaimed=Reclaimed(**item["reclaimed"]) if item.get("reclaimed") else None,
        host=item.get("host", ""),
        marks=tuple((at, text) for at, text in item.get("marks", ())),
    )


def _series(item: _Json) -> Series:
    points = tuple((at, value) for at, value in item["points"])
    return Series(
        item["name"],
        item["unit"],
        item["first"],
        item["last"],
        item["largest"],
        item["trend"],
        points,
        item.get("part_of", ""),
    )


def _unexplained(item: _Json) -> Unexplained:
    first, last = item["count"]
    return Unexplained(
        type_name=item["type"],
        count=(first, last),
        count_per_s=item["count_per_s"],
        bytes_per_s=item["bytes_per_s"],
        share=item["share"],
        retaining_path=tuple(item["retaining_path"]),
        path=item["path"],
        line=item["line"],
        symbol=item.get("symbol", ""),
        reason=item.get("reason", ""),
    )
