"""Selectors name rules by code, name or family, and an unknown one stops the run."""

from __future__ import annotations

import pytest

from leakaudit.errors import UsageError
from leakaudit.scan.rule import Rule
from leakaudit.scan.selection import select_rules


def rule(code: str, name: str) -> Rule:
    return type(name.title(), (Rule,), {"code": code, "name": name})()


RULES = (
    rule("LA101", "unbounded-mapping"),
    rule("LA104", "per-key-lock-map"),
    rule("LA402", "cache-on-method"),
)


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ([], [], "LA101 LA104 LA402"),
        (["LA1"], [], "LA101 LA104"),
        (["la1"], ["per-key-lock-map"], "LA101"),
        (["LA402", "unbounded_mapping"], [], "LA101 LA402"),
        (["ALL"], ["LA4"], "LA101 LA104"),
    ],
)
def test_selection(select: list[str], ignore: list[str], expected: str) -> None:
    assert " ".join(item.code for item in select_rules(RULES, select, ignore)) == expected


@pytest.mark.parametrize(
    ("select", "message"),
    [
        (["LA999"], "unknown rule `LA999`"),
        (["LA110"], r"did you mean .*LA101"),
        (["unbounded-maping"], r"did you mean unbounded-mapping"),
        (["LA"], "unknown rule `LA`"),
        ([""], "unknown rule ``"),
    ],
)
def test_an_unknown_selector_is_an_error(select: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select_rules(RULES, select)
    with pytest.raises(UsageError, match=message):
        select_rules(RULES, (), select)


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(UsageError, match="no rule is left"):
        select_rules(RULES, ["LA1"], ["LA1"])
