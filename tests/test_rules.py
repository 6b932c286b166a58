"""The contract that every rule keeps. Nothing here changes when a rule is added."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leakaudit.findings import Confidence
from leakaudit.scan.api import scan_source
from leakaudit.scan.loader import builtin_rules_dir, load_rules
from leakaudit.scan.rulepage import code_blocks, parse_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leakaudit.scan.rule import Rule

FIXTURES = Path(__file__).parent / "fixtures"
RULES = load_rules()
EXPECT = re.compile(r"#\s*expect:\s*(?P<codes>[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)\s*$")
#: The first line of a code block may name its file; named blocks of one section are one project.
FILE_NAME = re.compile(r"#\s*(?P<path>[\w/]+\.py)\s*$")

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


def stem(rule: Rule) -> str:
    return rule.name.replace("-", "_")


def fixture(rule: Rule, kind: str) -> dict[str, str]:
    """Return path -> text of `bad.py` or `good.py`, or of a folder of that name where it takes several files."""
    folder = FIXTURES / stem(rule)
    files = (
        [folder / f"{kind}.py"]
        if (folder / f"{kind}.py").is_file()
        else sorted((folder / kind).rglob("*.py"))
    )
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


def expected(files: Mapping[str, str]) -> set[tuple[str, int, str]]:
    return {
        (path, number, code.strip())
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if (match := EXPECT.search(line))
        for code in match["codes"].split(",")
    }


def flagged(files: Mapping[str, str]) -> set[tuple[str, int, str]]:
    """Return what a user would be shown by default: path, line, rule."""
    return {
        (finding.location.path, finding.location.line, finding.rule)
        for finding in scan_source(files, RULES)
        if finding.confidence is not Confidence.LOW
    }


def examples(rule: Rule, heading: str) -> list[dict[str, str]]:
    """Return the projects of a section: each unnamed block by itself, the named ones together."""
    named: dict[str, str] = {}
    projects: list[dict[str, str]] = []
    for block in code_blocks(parse_page(rule.__doc__ or "").section(heading)):
        if match := FILE_NAME.match(block.split("\n", 1)[0]):
            named[match["path"]] = block
        else:
            projects.append({"example.py": block})
    return [*projects, *([named] if named else [])]


@each_rule
def test_the_bad_fixture_is_flagged_where_it_says(rule: Rule) -> None:
    files = fixture(rule, "bad")
    wanted = expected(files)
    assert any(code == rule.code for _, _, code in wanted), (
        f"tests/fixtures/{stem(rule)}/bad.py expects no {rule.code}"
    )
    assert flagged(files) == wanted


@each_rule
def test_the_good_fixture_is_silent(rule: Rule) -> None:
    files = fixture(rule, "good")
    assert files, f"tests/fixtures/{stem(rule)}/good.py is missing"
    assert any(text.strip() for text in files.values())
    assert flagged(files) == set()


@each_rule
def test_the_example_is_flagged(rule: Rule) -> None:
    projects = examples(rule, "Example")
    assert projects, "the section Example holds no code"
    for project in projects:
        assert rule.code in {code for _, _, code in flagged(project)}, project


@each_rule
def test_what_to_use_instead_is_not_flagged(rule: Rule) -> None:
    projects = examples(rule, "Use instead")
    assert projects, "the section Use instead holds no code"
    for project in projects:
        assert flagged(project) == set(), project


@each_rule
def test_the_names_agree(rule: Rule) -> None:
    assert type(rule).__name__ == "".join(part.capitalize() for part in rule.name.split("-"))
    assert Path(str(sys.modules[type(rule).__module__].__file__)).stem == stem(rule)
    assert (type(rule).__doc__ or "").split("\n")[0].endswith("."), "the summary is one sentence"


@each_rule
def test_a_finding_tells_its_story(rule: Rule) -> None:
    """Every finding says why, points at a place in the text, and knows what it is about."""
    files = fixture(rule, "bad")
    for finding in scan_source(files, [rule]):
        lines = files[finding.location.path].splitlines()
        assert finding.message
        assert finding.symbol
        assert finding.evidence
        assert all(item.reason and item.fact for item in finding.evidence)
        assert 1 <= finding.location.column <= len(lines[finding.location.line - 1])
        for related in finding.related:
            assert related.message
            assert related.location.line <= len(files[related.location.path].splitlines())


def test_every_rule_file_is_loaded() -> None:
    assert {path.stem for path in builtin_rules_dir().glob("*.py")} == {stem(rule) for rule in RULES}


def test_codes_are_unique() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)


@each_rule
def test_fingerprints_tell_the_findings_of_a_file_apart(rule: Rule) -> None:
    found = scan_source(fixture(rule, "bad"), [rule])
    assert len({finding.fingerprint for finding in found}) == len(found)
