"""JUnit XML: each finding is a test that fails, is skipped (suppressed, or not decided), or passes (cleared)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from leakaudit.findings import Finding, Status
from leakaudit.findings.order import by_growth, by_place
from leakaudit.report.told import module_of, posix

if TYPE_CHECKING:
    from leakaudit.findings import Location
    from leakaudit.findings.report import FileError, Report
    from leakaudit.report import View

#: What XML 1.0 has no way to write.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, view: View) -> str:  # noqa: ARG001  one signature for all renderers
    """Return one suite; a clean scan is one test that passes, as a suite without tests counts as broken."""
    findings = by_growth(report.findings) if report.runtime else by_place((*report.shown, *report.suppressed))
    cases = [*map(_case, findings), *map(_error, report.errors)] or [
        Xml.Element("testcase", name="no findings", classname="leakaudit", time="0")
    ]
    counts = {
        "tests": str(len(cases)),
        "failures": str(_having(cases, "failure")),
        "errors": str(_having(cases, "error")),
        "skipped": str(_having(cases, "skipped")),
        "time": f"{report.seconds:.3f}",
    }
    root = Xml.Element("testsuites", {"name": "leakaudit", **counts})
    suite = Xml.SubElement(root, "testsuite", {"name": f"leakaudit {report.kind}", **counts})
    suite.extend(cases)
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _case(finding: Finding) -> Xml.Element:
    place = finding.location
    case = Xml.Element(
        "testcase",
        name=_clean(f"{finding.rule} {finding.symbol}"),
        classname=_clean(module_of(place.path)),
        file=_clean(posix(place.path)),
        line=str(place.line),
        time="0",
    )
    outcome, why = _outcome(finding)
    if outcome == "failure":
        failure = Xml.SubElement(case, outcome, message=_clean(why), type=f"{finding.rule} {finding.name}")
        failure.text = _clean("\n".join(_story(finding)))
    elif outcome:
        Xml.SubElement(case, outcome, message=_clean(why))
    return case


def _outcome(finding: Finding) -> tuple[str, str]:
    """Return the element that says how the test ended ("" if it passed), and why."""
    verdict = finding.verdict
    if verdict is not None:
        if verdict.status is Status.CONFIRMED:
            return "failure", finding.message
        if verdict.status in (Status.UNRESOLVED, Status.INCONCLUSIVE):
            return "skipped", f"{verdict.status.value}: {verdict.reason}"
        return "", ""
    if finding.suppressed is not None:
        return "skipped", f"{finding.suppressed.by}: {finding.suppressed.reason}".removesuffix(": ")
    return "failure", finding.message


def _story(finding: Finding) -> Iterator[str]:
    yield f"{_at(finding.location)}: {finding.message} ({finding.confidence.value} confidence)"
    if finding.verdict is not None:
        yield f"in the live process: {finding.verdict.reason}"
    yield from (f"{_at(item.location)}: {item.message}" for item in finding.related)
    yield from (f"{item.fact}: {item.reason}" for item in finding.evidence)
    yield from (f"note: {text}" for text in finding.notes)
    yield from (f"help: {text}" for text in finding.help)


def _error(error: FileError) -> Xml.Element:
    case = Xml.Element("testcase", name="can be read", classname=_clean(module_of(error.path)), time="0")
    case.set("file", _clean(posix(error.path)))
    case.set("line", str(error.line or 1))
    Xml.SubElement(case, "error", message=_clean(error.reason), type="could-not-be-read")
    return case


def _at(place: Location) -> str:
    return f"{posix(place.path)}:{place.line}"


def _having(cases: list[Xml.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)


def _clean(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
