"""The Markdown summary: what a parser makes of it, and that no name becomes markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from report_samples import HITS, HOSTILE, RUNTIME, SCAN

from leakaudit.findings.report import Report
from leakaudit.report import View, renderer
from leakaudit.report.markdown_text import block, cell, code, plain, prose

PARSER = MarkdownIt("commonmark").enable("table")
ACTIVE = {"html_inline", "html_block", "link_open", "image"}


def tokens(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def rows(report: Report) -> list[list[str]]:
    found: list[list[str]] = []
    for token in PARSER.parse(renderer("markdown").render(report, View())):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline" and found and token.level == 4:
            found[-1].append("".join(child.content for child in token.children or ()))
    return found


def test_a_scan_is_a_table() -> None:
    assert rows(SCAN)[1:] == [
        ["medium", "LA301 handler-registry-never-cleared", "server.hub.Hub.listeners", "server/hub.py:9"],
        ["high", "LA101 unbounded-mapping", "server.limits._hits", "server/limits.py:41"],
    ]


def test_a_process_is_a_table_of_verdicts() -> None:
    table = rows(RUNTIME)
    assert table[1] == [
        "confirmed",
        "LA101 server.limits._hits",
        "38.2/s",
        "50.0 KiB/s",
        "66 %",
        "server/limits.py:41",
    ]
    assert [row[0] for row in table[1:]] == [
        "confirmed",
        "bounded",
        "inconclusive",
        "unresolved",
        "not growing",
    ]


def test_hostile_names_are_inert() -> None:
    text = renderer("markdown").render(HOSTILE, View())
    assert not {token.type for token in tokens(text)} & ACTIVE
    outside = " ".join(token.content for token in tokens(text) if token.type == "text")
    assert "@admin" not in outside
    assert "#1 " not in outside
    assert {len(row) for row in rows(HOSTILE)} == {6}


def test_it_fits_into_a_comment() -> None:
    many = tuple(replace(HITS, symbol=f"m.{'x' * 200}{n}") for n in range(1000))
    text = renderer("markdown").render(replace(SCAN, findings=many), View())
    assert len(text) < 65_536
    assert "and 950 more" in text


@pytest.mark.parametrize("text", ["`", "a`b", "``", "`x`", " x ", "a|b", "a``b`c"])
def test_code_is_what_it_was(text: str) -> None:
    (span,) = (token for token in tokens(code(text)) if token.type == "code_inline")
    assert span.content == text.strip()
    table = f"| a | b |\n|---|---|\n| {cell(text)} | c |\n"
    assert text.strip() in [token.content for token in tokens(table) if token.type == "code_inline"]


@pytest.mark.parametrize(
    "text", ["- a", "1. a", "# a", "> a", "*a*", "[a](b)", "<b>", "~~~", "![a](b)", "+ a", "==="]
)
def test_plain_text_stays_plain(text: str) -> None:
    kinds = {token.type for token in tokens(plain(text))}
    assert kinds == {"paragraph_open", "inline", "text", "paragraph_close"} or kinds == {
        "paragraph_open", "inline", "text", "text_special", "paragraph_close"
    }  # fmt: skip
    assert (
        "".join(token.content for token in tokens(plain(text)) if token.type in {"text", "text_special"})
        == text
    )


def test_backticks_in_a_message_make_code() -> None:
    assert prose("`a_b` keeps `x*`, not *y*") == r"`a_b` keeps `x*`, not \*y\*"
    assert prose("one ` alone") == r"one \` alone"


def test_nothing_closes_a_block() -> None:
    (fence,) = (token for token in tokens(block("a\n```\n<b>", "python")) if token.type == "fence")
    assert fence.content == "a\n```\n<b>\n"
