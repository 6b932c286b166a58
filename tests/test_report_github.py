"""Workflow commands: one line each, escaped as the runner expects."""

from __future__ import annotations

from dataclasses import replace

from report_samples import HITS, LISTENERS, RUNTIME, SCAN

from leakaudit.findings import Location
from leakaudit.report import View, renderer


def test_a_finding_is_one_command() -> None:
    lines = renderer("github").render(SCAN, View()).splitlines()
    assert len(lines) == 4
    assert lines[0] == (
        "::error file=server/hub.py,line=9,col=2,"
        "title=LA301 handler-registry-never-cleared (medium)::`listeners` keeps every callback"
    )
    assert lines[1].startswith(
        "::warning file=server/limits.py,line=41,col=1,endLine=41,title=LA101 unbounded-mapping (high)::`_hits` keeps"
    )
    assert "%0Aserver/limits.py:57: grows here" in lines[1]
    assert lines[2] == "::warning file=server/broken.py,line=3,title=could not be read::invalid syntax"


def test_nothing_breaks_out_of_a_command() -> None:
    finding = replace(LISTENERS, message="100 %\n::error::forged", location=Location("a,b:c\n.py", 1))
    (line,) = renderer("github").render(replace(SCAN, findings=(finding,), errors=()), View()).splitlines()
    assert "file=a%2Cb%3Ac%0A.py," in line
    assert line.endswith("::100 %25%0A::error::forged")


def test_a_runtime_report_tells_what_was_confirmed() -> None:
    (line,) = renderer("github").render(RUNTIME, View()).splitlines()
    assert HITS.message in line
