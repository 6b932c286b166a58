"""`# leakaudit: bounded=<reason>` where a container is declared silences every rule about growing containers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from leakaudit.facts.extract import extract
from leakaudit.findings.report import Report
from leakaudit.report.json_v1 import document
from leakaudit.scan.api import Basis, run_rules
from leakaudit.scan.config import Config
from leakaudit.scan.container_rule import ContainerRule
from leakaudit.scan.fate import Terms, decide
from leakaudit.scan.loader import load_rules

FIXTURES = Path(__file__).parent / "fixtures"
RULES = load_rules()
#: Rules about containers that find their suspects in another way than by the judge of growth.
ALSO = {"LA109", "LA501"}
ABOUT_CONTAINERS = [rule for rule in RULES if isinstance(rule, ContainerRule) or rule.code in ALSO]
REASON = "a few tenants, never more"
EXPECT = re.compile(r"#\s*expect:.*$", re.MULTILINE)

each_rule = pytest.mark.parametrize("rule", ABOUT_CONTAINERS, ids=[rule.name for rule in ABOUT_CONTAINERS])


def report(text: str) -> dict[str, Any]:
    facts = {"app.py": extract(text)}
    findings, _ = run_rules(facts, Basis(RULES))
    terms = Terms(Config(), RULES, RULES, {"app.py": facts["app.py"].comments})
    return document(decide(Report("scan", tuple(findings)), terms))


def bad(rule: object) -> str:
    return (FIXTURES / rule.name.replace("-", "_") / "bad.py").read_text()  # type: ignore[attr-defined]


@each_rule
def test_behind_the_declaration(rule: ContainerRule) -> None:
    text = bad(rule)
    marked = report(EXPECT.sub(f"# leakaudit: bounded={REASON}", text))
    assert [item["rule"] for item in marked["findings"] if item["rule"] == rule.code]
    for item in marked["findings"]:
        assert item["suppressed"] == {
            "by": "comment",
            "reason": REASON,
            "path": "app.py",
            "line": item["line"],
        }, item
    assert marked["summary"]["findings"] == 0
    assert marked["summary"]["suppressed"] == len(marked["findings"])
    assert not any("unused" in note for note in marked["notes"])


@each_rule
def test_above_the_declaration(rule: ContainerRule) -> None:
    lines = bad(rule).splitlines()
    for number in reversed(range(len(lines))):
        if EXPECT.search(lines[number]):
            indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
            lines.insert(number, f"{indent}# leakaudit: bounded={REASON}")
    assert report("\n".join(lines) + "\n")["summary"]["findings"] == 0


@each_rule
def test_without_a_reason_it_silences_nothing(rule: ContainerRule) -> None:
    text = bad(rule)
    marked = report(EXPECT.sub("# leakaudit: bounded=", text))
    assert marked["summary"]["findings"] == report(text)["summary"]["findings"] > 0
    assert any("`bounded=` lacks its reason" in note for note in marked["notes"])


def test_it_silences_nothing_where_the_container_only_grows() -> None:
    text = "_seen = []\n\n\ndef handle_request(request):\n    _seen.append(request){}\n"
    assert report(text.format(""))["summary"]["findings"] == 1
    marked = report(text.format(f"  # leakaudit: bounded={REASON}"))
    assert marked["summary"]["findings"] == 1
    assert any("unused suppression `bounded`" in note for note in marked["notes"])
