"""GitLab's code quality report, held against the fields that GitLab's documentation requires."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from report_samples import HITS, HOSTILE, RUNTIME, SCAN

from leakaudit.findings import Location
from leakaudit.findings.report import Report
from leakaudit.report import View, renderer

#: docs.gitlab.com, "Code quality report format": all of these are required, paths are relative without `./`.
FORMAT = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "location", "severity"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\./)"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer"}},
                    },
                },
            },
        },
    },
}


def issues(report: Report) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = json.loads(renderer("gitlab").render(report, View()))
    return result


@pytest.mark.parametrize("report", [SCAN, RUNTIME, HOSTILE], ids=["scan", "runtime", "hostile"])
def test_it_keeps_to_the_format(report: Report) -> None:
    assert list(Draft202012Validator(FORMAT).iter_errors(issues(report))) == []


def test_every_issue_has_a_fingerprint_of_its_own() -> None:
    found = issues(replace(SCAN, findings=(HITS, HITS)))
    assert len({item["fingerprint"] for item in found}) == len(found) == 4


def test_paths_start_at_the_root() -> None:
    (issue, *_) = issues(replace(SCAN, findings=(replace(HITS, location=Location("./a/../b.py", 3)),)))
    assert issue["location"] == {"path": "b.py", "lines": {"begin": 3}}


def test_what_is_confirmed_blocks() -> None:
    assert [item["severity"] for item in issues(RUNTIME)] == ["blocker"]
    assert [item["severity"] for item in issues(SCAN)] == ["critical", "major", "info", "info"]
