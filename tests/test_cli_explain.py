"""`leakaudit explain`: pages by code and by name, and a hand for those who misspell."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from leakaudit.cli.main import cli
from leakaudit.scan.loader import load_rules
from leakaudit.scan.rulepage import HEADINGS


def explain(*args: str) -> Result:
    return CliRunner().invoke(cli, ["explain", *args])


@pytest.mark.parametrize("word", ["LA101", "la101", "unbounded-mapping", "unbounded_mapping"])
def test_a_page_by_code_or_name(word: str) -> None:
    result = explain(word)
    assert result.exit_code == 0
    assert result.output.startswith("LA101 unbounded-mapping (warning)\n\n")
    at = [result.output.index(f"\n{heading}\n") for heading in HEADINGS]
    assert at == sorted(at)


def test_without_a_rule_all_are_listed() -> None:
    lines = explain().output.splitlines()
    assert [line.split()[:2] for line in lines] == [[rule.code, rule.name] for rule in load_rules()]


def test_a_family_is_listed() -> None:
    lines = explain("LA4").output.splitlines()
    assert lines
    assert all(line.startswith("LA4") for line in lines)


@pytest.mark.parametrize(
    ("word", "hint"),
    [("unbounded-maping", "unbounded-mapping"), ("LA1O1", "LA101"), ("xyzzy", "leakaudit explain")],
)
def test_an_unknown_rule_gets_the_nearest_names(word: str, hint: str) -> None:
    result = explain(word)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"unknown rule `{word}`" in result.stderr
    assert hint in result.stderr
