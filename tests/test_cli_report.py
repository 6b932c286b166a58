"""`leakaudit report` and `leakaudit verify` on files of every kind, good and bad."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report_samples import HITS, RUNTIME, SCAN

from leakaudit.cli.main import cli
from leakaudit.findings import Status, Verdict
from leakaudit.findings.report import Report
from leakaudit.report.json_v1 import document

GREW = Verdict(Status.CONFIRMED, "it rose", entries_per_s=2.0, bytes_per_s=100.0, entries=(1, 41), samples=20)


def leakaudit(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)


def failure(*arguments: object) -> str:
    done = subprocess.run(
        (sys.executable, "-m", "leakaudit", *map(str, arguments)), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def process(pid: int) -> Report:
    assert RUNTIME.runtime is not None
    return replace(
        RUNTIME, findings=(replace(HITS, verdict=GREW),), runtime=replace(RUNTIME.runtime, pid=pid)
    )


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with the reports of two processes, and one of a scan."""
    for name, report in (("one", process(1)), ("two", process(2)), ("scan", SCAN)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document(report)))
    return tmp_path


def test_a_report_in_json_is_told_in_any_format(kept: Path) -> None:
    result = leakaudit("report", kept / "one.json", "--format", "markdown")
    assert result.exit_code == 1
    assert "server.limits._hits" in result.output


def test_several_are_added_up(kept: Path) -> None:
    result = leakaudit("report", kept / "one.json", kept / "two.json")
    assert result.output.startswith("2 processes")
    assert "grows in 2 of 2 processes: 1 +2/s, 2 +2/s" in result.output
    assert "4/s" in result.output


def test_html_is_written_with_every_process(kept: Path) -> None:
    page = kept / "report.html"
    result = leakaudit("report", kept / "one.json", kept / "two.json", "--html", page)
    assert (result.exit_code, result.output) == (1, "")
    assert "Process 1" in page.read_text()
    assert "Process 2" in page.read_text()


def test_what_changed_is_told(kept: Path) -> None:
    result = leakaudit("report", kept / "two.json", "--before", kept / "one.json")
    assert result.exit_code == 1
    assert result.output.rstrip().endswith("failed: 2 still growing")


def test_a_program_recorded_from_outside_is_told(tmp_path: Path) -> None:
    session = tmp_path / "run.jsonl"
    program = "import leakaudit, time\nfor i in range(3): leakaudit.mark(f'round {i}'); time.sleep(0.2)"
    leakaudit("run", "-o", session, "--", sys.executable, "-c", program)
    told = json.loads(leakaudit("report", session, "--format", "json").output)["runtime"]
    assert told["method"] == "recorded from outside"
    assert {series["name"] for series in told["series"]} >= {"rss", "threads"}
    assert [text for _, text in told["marks"]] == ["round 0", "round 1", "round 2"]


def test_silence_of_what_was_only_recorded_from_outside_is_no_cure(kept: Path, tmp_path: Path) -> None:
    session = tmp_path / "run.jsonl"
    leakaudit("run", "-o", session, "--", sys.executable, "-c", "import time; time.sleep(0.4)")
    for command in (
        ("verify", "--before", kept / "one.json", "--after", session),
        ("report", session, "--before", kept / "one.json"),
    ):
        assert "recorded from outside, without an audit" in failure(*command)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"root:x:0:0\n", "is no session of leakaudit"),
        (b'{"record": "session", "version": 99}\n', "has version 99"),
        (b'{"record": "session", "version": 1}\nrubbish\n{"record": "end"}\n', "line 2 of"),
        (b'{"record": "session", "version": 1}\n', "holds nothing that could be told"),
        (b'{"kind":"start","schema":"leakaudit/compare/v1"}\n{}\n', "was recorded by `leakaudit compare`"),
        (b'{"schema": "leakaudit/report/v9"}', "not a report of the schema"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    assert told in failure("report", path)


def test_a_missing_file_and_a_scan_are_refused(kept: Path) -> None:
    assert "cannot be read" in failure("report", kept / "none")
    assert "is the report of a scan" in failure(
        "verify", "--before", kept / "scan.json", "--after", kept / "one.json"
    )
    assert "is the report of a scan" in failure("scan", kept, "--evidence", kept / "scan.json")


def test_a_report_without_probes_cannot_be_watched(kept: Path) -> None:
    empty = kept / "empty.json"
    empty.write_text(json.dumps(document(replace(SCAN, findings=()))))
    assert "holds no finding that can be watched" in failure("runtime", 1, "--from", empty)
