"""The JSON report: the schema's words, and that it can be read again without loss."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from report_samples import QUIET, RUNTIME, SCAN

from leakaudit.errors import UsageError
from leakaudit.findings import Confidence
from leakaudit.findings.order import by_growth, by_place
from leakaudit.findings.report import FileError
from leakaudit.report import View, renderer
from leakaudit.report.json_v1_parse import parse

if TYPE_CHECKING:
    from leakaudit.findings.report import Report


def document(report: Report) -> dict[str, object]:
    result = json.loads(renderer("json").render(report, View()))
    assert isinstance(result, dict)
    return result


def test_a_finding_has_the_words_of_the_schema() -> None:
    report = document(SCAN)
    assert report["schema"] == "leakaudit/report/v1"
    (hits,) = (item for item in report["findings"] if item["symbol"] == "server.limits._hits")  # type: ignore[attr-defined]
    fingerprint = hits.pop("fingerprint")
    assert len(fingerprint) == 16
    assert hits.pop("evidence")[1] == {
        "fact": "context",
        "value": "per-event",
        "reason": "grows in a request handler",
        "weight": 2,
        "path": "routes/auth.py",
        "line": 22,
    }
    assert hits.pop("related")[2] == {
        "path": "server/limits.py",
        "line": 58,
        "column": 5,
        "end_line": 58,
        "end_column": 10,
        "message": "trims only the current key's list; keys are never removed",
    }
    assert hits.pop("help")[0].startswith("bound the keys")
    assert hits.pop("notes")[0].startswith("no `pop`")
    assert hits == {
        "rule": "LA101",
        "name": "unbounded-mapping",
        "path": "server/limits.py",
        "line": 41,
        "column": 1,
        "end_line": 41,
        "end_column": 6,
        "symbol": "server.limits._hits",
        "message": "`_hits` keeps one entry per client address for the life of the process",
        "severity": "warning",
        "confidence": "high",
        "object_types": ["dict"],
        "probe": {
            "kind": "module-attribute",
            "module": "server.limits",
            "path": "server/limits.py",
            "qualname": "",
            "attribute": "_hits",
            "object_types": ["dict"],
        },
        "scope": "",
        "fix": {"description": "use a TTLCache", "safe": False, "edits": [[10, 20, "TTLCache(1000, 60)"]]},
        "verdict": None,
        "suppressed": None,
    }


def test_what_is_below_the_threshold_is_only_counted() -> None:
    report = document(SCAN)
    assert [item["confidence"] for item in report["findings"]].count("low") == 0  # type: ignore[attr-defined]
    assert report["summary"] == {
        "findings": 2,
        "high": 1,
        "medium": 1,
        "low": 0,
        "hidden": 1,
        "demoted": 0,
        "suppressed": 2,
        "fixed": 0,
        "confirmed": 0,
        "threshold": "medium",
        "files": 143,
        "lines": 20417,
        "errors": 2,
        "seconds": 0.4183,
    }
    assert QUIET.symbol in str(document(replace(SCAN, threshold=Confidence.LOW)))


def test_suppressed_findings_say_by_what() -> None:
    marks = [item["suppressed"] for item in document(SCAN)["findings"] if item["suppressed"]]  # type: ignore[attr-defined]
    assert marks == [
        {"by": "comment", "reason": "few tenants", "path": "server/hub.py", "line": 9},
        {"by": "baseline", "reason": "", "path": None, "line": None},
    ]


def test_a_runtime_report_is_ordered_by_growth_and_keeps_every_verdict() -> None:
    report = document(RUNTIME)
    verdicts = [item["verdict"]["status"] for item in report["findings"]]  # type: ignore[attr-defined]
    assert verdicts == ["confirmed", "bounded", "inconclusive", "unresolved", "not-growing"]
    first = report["findings"][0]["verdict"]  # type: ignore[index]
    assert (first["entries_per_s"], first["share"], first["entries"]) == (38.2, 0.66, [1204, 3498])
    runtime = report["runtime"]
    assert isinstance(runtime, dict)
    assert runtime["pause_ms"] == {"attach": 3.21, "largest": 7.94}
    assert runtime["trend"] == "steady growth"
    assert runtime["unexplained"][0]["retaining_path"] == ["module x", "dict", "list"]


@pytest.mark.parametrize("report", [SCAN, RUNTIME], ids=["scan", "runtime"])
def test_what_is_written_can_be_read_again(report: Report) -> None:
    text = renderer("json").render(report, View())
    again = parse(text)
    order = by_growth if report.runtime else by_place
    kept = order(item for item in report.findings if item.verdict or item.confidence is not Confidence.LOW)
    assert again == replace(report, findings=kept)


def test_what_is_read_is_written_the_same() -> None:
    text = renderer("json").render(RUNTIME, View())
    assert renderer("json").render(parse(text), View()) == text


def test_infinity_is_no_number() -> None:
    assert RUNTIME.runtime is not None
    report = replace(RUNTIME, runtime=replace(RUNTIME.runtime, heap_growth_bytes_per_s=math.inf))
    assert document(report)["runtime"]["heap_growth_bytes_per_s"] is None  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON document"),
        ("[]", "not a report of the schema"),
        ('{"schema": "leakaudit/report/v2"}', "'leakaudit/report/v2'"),
        ('{"schema": "leakaudit/report/v1"}', "damaged"),
        ('{"schema": "leakaudit/report/v1", "kind": "scan", "findings": [{}], "errors": [], "summary": {}}', "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_a_rule_that_failed_is_named() -> None:
    broken = FileError("rules/mine.py", "ZeroDivisionError", 3, "LA999")
    text = renderer("json").render(replace(SCAN, errors=(broken,)), View())
    assert json.loads(text)["errors"] == [
        {"path": "rules/mine.py", "line": 3, "reason": "ZeroDivisionError", "rule": "LA999"}
    ]
    assert parse(text).errors == (broken,)
