"""SARIF 2.1.0 for code scanning: results with fingerprints, related places, flows, fixes and suppressions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import leakaudit
from leakaudit.findings import Confidence, Severity
from leakaudit.findings.order import by_place
from leakaudit.report.regions import region
from leakaudit.report.told import told, uri, words

if TYPE_CHECKING:
    from leakaudit.findings import Finding, Fix, Location
    from leakaudit.findings.report import FileError, Report
    from leakaudit.report import View

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: What the URIs of the results are relative to.
BASE = "SRCROOT"
Json = dict[str, object]
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_RANKS = {Confidence.HIGH: 90.0, Confidence.MEDIUM: 60.0, Confidence.LOW: 30.0}


def render(report: Report, view: View) -> str:  # noqa: ARG001  one signature for all renderers
    """Return a log of one run: what is shown or confirmed, what is suppressed, and files not read as notifications."""
    suppressed = () if report.runtime else by_place(report.suppressed)
    findings = (*told(report), *suppressed)
    rules = sorted({(finding.rule, finding.name) for finding in findings})
    run = {
        "tool": {"driver": _driver(rules)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"description": {"text": "the folder that leakaudit ran in"}}},
        "invocations": [_invocation(report)],
        "results": _results(findings, rules),
    }
    return (
        json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False) + "\n"
    )


def _driver(rules: Iterable[tuple[str, str]]) -> Json:
    return {
        "name": "leakaudit",
        "semanticVersion": leakaudit.__version__,
        "rules": [
            {
                "id": code,
                "name": words(name).title().replace(" ", ""),
                "shortDescription": {"text": f"{words(name)}."},
                "help": {"text": f"`leakaudit explain {code}` says why it leaks and what to use instead."},
                "properties": {"tags": ["memory-leak", name]},
            }
            for code, name in rules
        ],
    }


def _invocation(report: Report) -> Json:
    return {
        "executionSuccessful": not report.errors,
        "toolExecutionNotifications": [*map(_error, report.errors), *map(_note, report.notes)],
    }


def _error(error: FileError) -> Json:
    result: Json = {"level": "warning", "message": {"text": f"could not be read: {error.reason}"}}
    if error.path:
        place: Json = {"artifactLocation": _artifact(error.path)}
        if error.line:
            place["region"] = {"startLine": error.line}
        result["locations"] = [{"physicalLocation": place}]
    return result


def _note(text: str) -> Json:
    return {"level": "note", "message": {"text": text}}


def _results(findings: Iterable[Finding], rules: Sequence[tuple[str, str]]) -> list[Json]:
    seen: Counter[str] = Counter()
    results = []
    for finding in findings:
        seen[finding.fingerprint] += 1
        results.append(_result(finding, rules.index((finding.rule, finding.name)), seen[finding.fingerprint]))
    return results


def _result(finding: Finding, index: int, nth: int) -> Json:
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "rank": _RANKS[finding.confidence],
        "message": {"text": "\n".join(_sentences(finding))},
        "locations": [{**_place(finding.location), "logicalLocations": [_logical(finding)]}],
        "partialFingerprints": {"leakaudit/v1": f"{finding.fingerprint}:{nth}"},
        "properties": _properties(finding),
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, **_place(item.location), "message": {"text": item.message}}
            for number, item in enumerate(finding.related, 1)
        ]
        result["codeFlows"] = [{"threadFlows": [{"locations": _flow(finding)}]}]
    if finding.fix is not None and finding.fix.edits:
        result["fixes"] = [_fix(finding.fix, finding.location.path)]
    if finding.suppressed is not None:
        result["suppressions"] = [
            {
                "kind": "inSource" if finding.suppressed.by == "comment" else "external",
                "justification": finding.suppressed.reason or finding.suppressed.by,
            }
        ]
    return result


def _sentences(finding: Finding) -> Iterable[str]:
    yield finding.message
    if finding.verdict is not None:
        yield f"In the live process: {finding.verdict.status.value}, {finding.verdict.reason}"
    yield from finding.notes
    yield from finding.help


def _properties(finding: Finding) -> Json:
    result: Json = {
        "confidence": finding.confidence.value,
        "symbol": finding.symbol,
        "evidence": [f"{item.fact}: {item.reason}" for item in finding.evidence],
    }
    if finding.verdict is not None:
        result["verdict"] = {
            "status": finding.verdict.status.value,
            "entriesPerSecond": finding.verdict.entries_per_s,
            "bytesPerSecond": finding.verdict.bytes_per_s,
            "share": finding.verdict.share,
        }
    return result


def _logical(finding: Finding) -> Json:
    return {"fullyQualifiedName": finding.symbol, "kind": "variable"}


def _flow(finding: Finding) -> list[Json]:
    return [
        {"location": {**_place(item.location), "message": {"text": item.message}}} for item in finding.related
    ]


def _place(place: Location) -> Json:
    where: Json = {"startLine": place.line, "startColumn": place.column}
    if place.end_line is not None:
        where["endLine"] = place.end_line
    if place.end_column is not None:
        where["endColumn"] = place.end_column
    return {"physicalLocation": {"artifactLocation": _artifact(place.path), "region": where}}


def _artifact(path: str) -> Json:
    text, relative = uri(path)
    return {"uri": text, "uriBaseId": BASE} if relative else {"uri": text}


def _fix(fix: Fix, path: str) -> Json:
    return {
        "description": {"text": f"{fix.description} ({'safe' if fix.safe else 'may change behaviour'})"},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(path),
                "replacements": [_replacement(path, *edit) for edit in fix.edits],
            }
        ],
    }


def _replacement(path: str, start: int, end: int, text: str) -> Json:
    where = region(path, start, end)
    deleted: Json = (
        {"byteOffset": start, "byteLength": end - start}
        if where is None
        else {
            "startLine": where.line,
            "startColumn": where.column,
            "endLine": where.end_line,
            "endColumn": where.end_column,
        }
    )
    return {"deletedRegion": deleted, "insertedContent": {"text": text}}
