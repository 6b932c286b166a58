"""Shared lists that a function extends in place through a name that may be its own."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.growth.shared_lists import extended_in_place
from leakaudit.facts.project import Project

CODE = """
SHARED = {{}}

def handle(key, more, asked):
    mine = {mine}
    {change}
    {then}
"""


def names(mine: str, change: str, then: str) -> list[str]:
    """Return the names of the shared containers that are extended."""
    project = Project({"a.py": extract(CODE.format(mine=mine, change=change, then=then))})
    return [subject.name for subject, _ in extended_in_place(project)]


@pytest.mark.parametrize(
    "mine",
    [
        "SHARED.get(key, [])",
        "SHARED.get(key) or []",
        "SHARED[key] if asked else []",
        "[] if asked else SHARED[key]",
    ],
)
def test_what_looks_like_a_copy(mine: str) -> None:
    assert names(mine, "mine += more", "print(len(mine))") == ["SHARED"]


@pytest.mark.parametrize(
    ("mine", "change", "then"),
    [
        ("SHARED.get(key, [])", "mine = mine + more", "print(len(mine))"),
        ("list(SHARED.get(key, []))", "mine += more", "print(len(mine))"),
        ("SHARED[key]", "mine += more", "print(len(mine))"),
        ("SHARED.get(key, [])", "mine += more", "SHARED[key] = mine"),
        ("SHARED.get(key, 0)", "mine += more", "print(mine)"),
    ],
)
def test_a_copy_or_what_is_meant_to_grow(mine: str, change: str, then: str) -> None:
    assert names(mine, change, then) == []
