"""SARIF: what two object models of the standard make of it, and the parts that code scanning uses.

The schema itself is no part of this project: LEAKAUDIT_SARIF_SCHEMA names the copy that the logs are held against.
CI fetches one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import attr
import pytest
import sarif_om
from jsonschema.validators import validator_for
from report_samples import HITS, HOSTILE, LISTENERS, RUNTIME, SCAN
from sarif_pydantic import Sarif

from leakaudit.findings import Fix, Location
from leakaudit.findings.report import Report
from leakaudit.report import View, renderer

REPORTS = pytest.mark.parametrize("report", [SCAN, RUNTIME, HOSTILE], ids=["scan", "runtime", "hostile"])
#: Where an object stands -> its class in Microsoft's model, which is made from the official schema.
MODEL: dict[str, type] = {
    "runs": sarif_om.Run, "tool": sarif_om.Tool, "driver": sarif_om.ToolComponent, "rules": sarif_om.ReportingDescriptor,
    "invocations": sarif_om.Invocation, "toolExecutionNotifications": sarif_om.Notification, "results": sarif_om.Result,
    "message": sarif_om.Message, "description": sarif_om.Message, "locations": sarif_om.Location,
    "relatedLocations": sarif_om.Location, "location": sarif_om.Location, "physicalLocation": sarif_om.PhysicalLocation,
    "artifactLocation": sarif_om.ArtifactLocation, "region": sarif_om.Region, "deletedRegion": sarif_om.Region,
    "logicalLocations": sarif_om.LogicalLocation, "codeFlows": sarif_om.CodeFlow, "threadFlows": sarif_om.ThreadFlow,
    "fixes": sarif_om.Fix, "artifactChanges": sarif_om.ArtifactChange, "replacements": sarif_om.Replacement,
    "insertedContent": sarif_om.ArtifactContent, "suppressions": sarif_om.Suppression,
    "shortDescription": sarif_om.MultiformatMessageString, "help": sarif_om.MultiformatMessageString,
}  # fmt: skip
FREE = ("properties", "partialFingerprints", "originalUriBaseIds")


def log(report: Report) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(renderer("sarif").render(report, View()))
    return result


def run(report: Report) -> dict[str, Any]:
    (only,) = log(report)["runs"]
    assert isinstance(only, dict)
    return only


def check(node: dict[str, Any], model: type, trail: str) -> None:
    """Refuse a property that the class does not have, and one missing that it requires."""
    known = {field.metadata["schema_property_name"]: field for field in attr.fields(model)}
    assert set(node) <= set(known), trail
    required = {name for name, field in known.items() if field.default is attr.NOTHING}
    assert required <= set(node), trail
    for name, value in node.items():
        if name in FREE:
            continue
        inner = (
            sarif_om.ThreadFlowLocation
            if (model, name) == (sarif_om.ThreadFlow, "locations")
            else MODEL.get(name)
        )
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                assert inner is not None, f"{trail}.{name}"
                check(item, inner, f"{trail}.{name}")


@REPORTS
def test_its_objects_are_those_of_the_standard(report: Report) -> None:
    document = log(report)
    assert document.pop("$schema").endswith("/sarif-schema-2.1.0.json")
    assert document["version"] == "2.1.0"
    check(document, sarif_om.SarifLog, "log")
    Sarif.model_validate(document, strict=False)


@REPORTS
def test_it_keeps_to_the_schema(report: Report, missing: Callable[[str], NoReturn]) -> None:
    path = os.environ.get("LEAKAUDIT_SARIF_SCHEMA")
    if not path:
        missing("LEAKAUDIT_SARIF_SCHEMA names no copy of the schema")
    schema = json.loads(Path(path).read_text(encoding="utf-8"))
    assert schema["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
    validator = validator_for(schema)(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(log(report))] == []


def test_a_result_has_its_places_and_its_flow() -> None:
    result = next(item for item in run(SCAN)["results"] if item["ruleId"] == "LA101")
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "server/limits.py", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 41, "startColumn": 1, "endLine": 41, "endColumn": 6}
    assert [item["id"] for item in result["relatedLocations"]] == [1, 2, 3, 4]
    (flow,) = result["codeFlows"][0]["threadFlows"]
    assert flow["locations"][1]["location"]["message"]["text"].startswith("grows here")


def test_fingerprints_are_those_of_the_findings_and_unique() -> None:
    results = run(replace(SCAN, findings=(HITS, HITS)))["results"]
    marks = [item["partialFingerprints"]["leakaudit/v1"] for item in results]
    assert marks == [f"{HITS.fingerprint}:1", f"{HITS.fingerprint}:2"]


def test_suppressed_findings_are_there_and_marked() -> None:
    marks = [item["suppressions"] for item in run(SCAN)["results"] if "suppressions" in item]
    assert [mark[0]["kind"] for mark in marks] == ["inSource", "external"]


def test_files_not_read_are_notifications() -> None:
    (invocation,) = run(SCAN)["invocations"]
    assert invocation["executionSuccessful"] is False
    texts = [item["message"]["text"] for item in invocation["toolExecutionNotifications"]]
    assert texts[0] == "could not be read: invalid syntax"


def test_a_fix_is_told_in_lines_where_the_file_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ä.py").write_bytes("# ö\r\nx = {}\r\n".encode())
    finding = replace(
        LISTENERS, location=Location("ä.py", 2), fix=Fix("bound it", True, ((10, 12, "LRU()"),))
    )
    (result,) = run(replace(SCAN, findings=(finding,)))["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"]["uri"] == "%C3%A4.py"
    (edit,) = change["replacements"]
    assert edit["deletedRegion"] == {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 7}
    assert edit["insertedContent"] == {"text": "LRU()"}


def test_a_process_is_told_by_what_it_confirmed() -> None:
    (result,) = run(RUNTIME)["results"]
    assert result["properties"]["verdict"]["status"] == "confirmed"
    assert "In the live process: confirmed, grew in each of 12 intervals" in result["message"]["text"]
