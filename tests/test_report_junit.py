"""JUnit XML, as junitparser and the XML parser read it."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from report_samples import HOSTILE, RUNTIME, SCAN

from leakaudit.findings.report import Report
from leakaudit.report import View, renderer


def suites(report: Report) -> JUnitXml:
    return JUnitXml.fromroot(ElementTree.fromstring(renderer("junit").render(report, View()).encode()))


def outcomes(report: Report) -> dict[str, type | None]:
    return {
        f"{case.classname} {case.name}": type(case.result[0]) if case.result else None
        for suite in suites(report)
        for case in suite
    }


def test_a_scan_fails_by_its_findings_and_skips_what_is_suppressed() -> None:
    assert outcomes(SCAN) == {
        "server.hub LA301 server.hub.Hub.listeners": Failure,
        "server.hub LA301 server.hub.Hub.known": Skipped,
        "server.hub LA301 server.hub.Hub.old": Skipped,
        "server.limits LA101 server.limits._hits": Failure,
        "server.broken can be read": Error,
        "server.blob can be read": Error,
    }


def test_a_process_passes_what_it_cleared() -> None:
    found = {name.rsplit(".", 1)[1]: kind for name, kind in outcomes(RUNTIME).items()}
    assert found == {"_hits": Failure, "listeners": None, "slow": Skipped, "gone": Skipped, "maybe": None}


@pytest.mark.parametrize("report", [SCAN, RUNTIME, HOSTILE], ids=["scan", "runtime", "hostile"])
def test_its_sums_are_right(report: Report) -> None:
    read = suites(report)
    told = (read.tests, read.failures, read.errors, read.skipped)
    read.update_statistics()
    assert told == (read.tests, read.failures, read.errors, read.skipped)


def test_a_clean_scan_is_a_test_that_passes() -> None:
    assert outcomes(replace(SCAN, findings=(), errors=())) == {"leakaudit no findings": None}


def test_a_failure_tells_the_story() -> None:
    (suite,) = suites(SCAN)
    case = next(item for item in suite if item.name.endswith("_hits"))
    assert case.result[0].type == "LA101 unbounded-mapping"
    assert "server/limits.py:57: grows here" in case.result[0].text
