"""What counts as growing: at least one for every run, in every round."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakaudit.errors import UsageError
from leakaudit.testing.rounds import Plan, calls, growing


def test_what_gains_one_for_every_run_grows():
    counts = [{"a": 5, "b": 1}, {"a": 15, "b": 1}, {"a": 25, "b": 2}]
    assert growing(counts, 10) == {"a": 20}


def test_what_stops_in_one_round_does_not():
    assert growing([{"a": 0}, {"a": 10}, {"a": 19}, {"a": 40}], 10) == {}


def test_what_appears_after_the_first_round_is_counted_from_nothing():
    assert growing([{}, {"a": 10}, {"a": 20}], 10) == {"a": 20}


def test_most_comes_first():
    assert list(growing([{"a": 0, "b": 0}, {"a": 10, "b": 30}, {"a": 20, "b": 50}], 10)) == ["b", "a"]


@given(st.lists(st.integers(0, 1000), min_size=3, max_size=8), st.integers(1, 20))
def test_a_count_that_ever_falls_is_never_growing(values, repeat):
    counts = [{"a": value} for value in values]
    if any(after < before for before, after in itertools.pairwise(values)):
        assert growing(counts, repeat) == {}


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 5), st.integers(1, 3))
def test_a_leak_of_any_size_is_found_whatever_the_plan(rounds, repeat, warmup, size):
    plan, kept, counts = Plan(rounds, repeat, warmup), [], []
    for _ in calls(plan, lambda: counts.append({"kept": len(kept)})):
        kept.extend(range(size))
    assert growing(counts, repeat) == {"kept": size * plan.calls}
    assert len(kept) == size * (warmup + plan.calls)


@pytest.mark.parametrize(
    "wrong", [{"rounds": 1}, {"repeat": 0}, {"warmup": -1}, {"rounds": 2.5}, {"repeat": True}]
)
def test_a_plan_that_could_tell_nothing_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(UsageError, match=name):
        Plan(**wrong)
