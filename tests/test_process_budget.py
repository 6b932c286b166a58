"""Sizes, budgets, and who exceeded them."""

from __future__ import annotations

import pytest

from leakaudit.errors import UsageError
from leakaudit.process.budget import Budget, Holding, Ledger, parse_budget, parse_size, read_budgets


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("800MB", 800e6),
        ("1.5GB", 1.5e9),
        ("1.5GiB", 1.5 * 2**30),
        ("2G", 2 * 2**30),
        ("64k", 65536),
        ("64 kB", 64000),
        ("123", 123),
        ("123B", 123),
    ],
)
def test_sizes(text, expected):
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1MB", "1.5.2GB", "1XB", "a lot", "1e9"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="not a size: write a number and a unit"):
        parse_size(text)


def test_budgets():
    assert parse_budget("server=1.5GB") == Budget("server", 1.5e9)
    assert parse_budget("node/total=4GB") == Budget("node", 4e9, together=True)
    assert parse_budget("total=6GB") == Budget("total", 6e9, together=True)
    assert [parse_budget(t).text for t in ("a=1k", "a/total=1k", "total=1k")] == ["a", "a/total", "total"]


@pytest.mark.parametrize("text", ["server", "=1GB", "server/all=1GB", "server=much"])
def test_what_is_no_budget(text):
    with pytest.raises(UsageError):
        parse_budget(text)


def test_budgets_from_a_table():
    assert read_budgets({"server": "1.5GB", "total": 6_000_000}) == (
        Budget("server", 1.5e9),
        Budget("total", 6e6, together=True),
    )
    for wrong in ({"server": True}, {"server": ["1GB"]}, {"server": "plenty"}):
        with pytest.raises(UsageError):
            read_budgets(wrong)


def held(label: str, amount: float) -> Holding:
    return Holding(label, frozenset({label, "node"}), amount)


def test_each_process_is_held_against_its_own_budget():
    ledger = Ledger([Budget("nodes", 100)])
    ledger.check(1.0, [held("agg_0", 90), held("agg_1", 120)])
    ledger.check(2.0, [held("agg_0", 101), held("agg_1", 110)])
    assert [(o.who, o.since, o.largest) for o in ledger.overruns] == [
        ("agg_1", 1.0, 120),
        ("agg_0", 2.0, 101),
    ]


def test_sums():
    ledger = Ledger([Budget("node", 100, together=True), Budget("total", 500, together=True)])
    ledger.check(1.0, [held("agg_0", 60), held("agg_1", 60), Holding("server", frozenset({"server"}), 300)])
    assert [(o.budget.text, o.who, o.largest) for o in ledger.overruns] == [("node/total", "", 120)]


def test_a_budget_that_nobody_is_meant_by_is_unmet():
    ledger = Ledger([Budget("server", 100), Budget("node", 100)])
    ledger.check(1.0, [held("agg_0", 60)])
    assert [b.name for b in ledger.unmet] == ["server"]
    assert not ledger.overruns
