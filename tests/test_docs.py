"""The pages about configuration and fixes say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leakaudit.facts import custom
from leakaudit.findings import suppression
from leakaudit.scan import config
from leakaudit.scan.loader import load_rules
from leakaudit.scan.rule import Rule

DOCS = Path(__file__).resolve().parent.parent / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")
FIXING = (DOCS / "fixing.md").read_text(encoding="utf-8")


def test_the_configuration_shown_is_understood_and_complete(tmp_path: Path) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```", CONFIGURATION, re.DOTALL | re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text("\n".join(blocks), encoding="utf-8")
    read = config.load_config(tmp_path)
    empty = config.Config()
    assert not [
        key
        for key in config._READERS
        if getattr(read, key.replace("-", "_")) == getattr(empty, key.replace("-", "_"))
        and key != "confidence"
    ]
    tables = custom.Tables()
    assert not [
        key
        for key in custom._READERS
        if getattr(read.tables, key.replace("-", "_")) == getattr(tables, key.replace("-", "_"))
    ]


def test_the_kinds_are_all_there() -> None:
    (listed,) = re.findall(r"its kind: ([a-z, ]+)\.", CONFIGURATION)
    assert tuple(listed.split(", ")) == custom._KINDS


def test_the_comments_shown_are_understood() -> None:
    comments = re.findall(r"^\| `(#[^`]+)` \|", CONFIGURATION, re.MULTILINE)
    parsed = [suppression.parse(f"x = 1  {comment}\n")[0] for comment in comments]
    assert [item.verb for item in parsed] == ["bounded", "ignore", "ignore-file", "noqa"]


def test_the_rules_that_fix_are_those_listed() -> None:
    listed = set(re.findall(r"^\| (LA\d+) \|", FIXING, re.MULTILINE))
    assert listed == {rule.code for rule in load_rules() if type(rule).fix is not Rule.fix}


@pytest.mark.parametrize("page", ["configuration.md", "fixing.md", "writing-a-rule.md"])
def test_links_lead_to_files(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (DOCS / link).exists()] == []
