"""A rule's docstring is split at its headings, in whatever of the usual dresses they come."""

from __future__ import annotations

import pytest

from leakaudit.scan.rulepage import HEADINGS, code_blocks, parse_page


@pytest.mark.parametrize(
    "dress",
    ["{}", "## {}", "{}:", "{}\n" + "-" * 12],
    ids=["bare", "markdown", "colon", "underlined"],
)
def test_headings_in_any_dress(dress: str) -> None:
    text = "Summary line.\n\n" + "\n\n".join(f"{dress.format(h)}\nText of {h}." for h in HEADINGS)
    page = parse_page(text)
    assert page.summary == "Summary line."
    assert page.missing == ()
    assert [page.section(heading) for heading in HEADINGS] == [f"Text of {h}." for h in HEADINGS]


def test_missing_and_empty_sections_are_named() -> None:
    page = parse_page("S.\n\nWhat it does\nX.\n\nWhy it leaks\n\nExample\n    x\n")
    assert page.missing == ("Why it leaks", "Use instead", "What we do not flag", "References")


def test_a_heading_inside_code_is_code() -> None:
    page = parse_page("S.\n\nExample\n```python\nReferences\n```\n\nReferences\nr")
    assert code_blocks(page.section("Example")) == ("References\n",)
    assert parse_page("S.\n\nExample\n\n    References\n").section("References") == ""


def test_code_blocks_fenced_and_indented() -> None:
    text = "Prose:\n\n    a = 1\n\n    b = 2\nmore\n    not code, no blank line above\n\n```python\nc = 3\n\n    d\n```\n"
    assert code_blocks(text) == ("a = 1\n\nb = 2\n", "c = 3\n\n    d\n")


def test_code_at_the_very_start_of_a_section() -> None:
    assert code_blocks("    a = 1\n") == ("a = 1\n",)
    assert code_blocks("no code\n") == ()
