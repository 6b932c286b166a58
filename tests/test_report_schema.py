"""The published JSON Schema: every report keeps to it, and it knows of every key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from report_samples import HOSTILE, RUNTIME, SCAN

from leakaudit.findings.report import Report
from leakaudit.report import View, renderer

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parent.parent / "docs" / "schema" / "report-v1.json").read_text(
        encoding="utf-8"
    )
)


def strict(node: Any) -> Any:
    """Return the schema with unknown keys refused: what we write has to be in it."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        result["additionalProperties"] = False
    return result


def complaints(schema: dict[str, Any], document: Any) -> list[str]:
    return [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)
    ]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("report", [SCAN, RUNTIME, HOSTILE], ids=["scan", "runtime", "hostile"])
def test_what_is_written_keeps_to_it_and_every_key_is_in_it(report: Report) -> None:
    document = json.loads(renderer("json").render(report, View()))
    assert complaints(strict(SCHEMA), document) == []


def test_it_refuses_what_is_no_report() -> None:
    document = json.loads(renderer("json").render(RUNTIME, View()))
    document["findings"][0]["line"] = 0
    del document["runtime"]
    told = complaints(SCHEMA, document)
    assert any("findings[0].line" in text for text in told)
    assert any("'runtime' is a required property" in text for text in told)


def test_a_key_of_a_later_leakaudit_is_no_error() -> None:
    document = json.loads(renderer("json").render(SCAN, View()))
    document["findings"][0]["something"] = 1
    assert complaints(SCHEMA, document) == []
