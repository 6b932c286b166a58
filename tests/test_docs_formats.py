"""The page about formats names each of them, and what it links to is there."""

from __future__ import annotations

import re
from pathlib import Path

from leakaudit.report import FORMATS

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "formats.md").read_text(encoding="utf-8")


def test_every_format_is_told_once() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == sorted(FORMATS)
    assert len(FORMATS) == 8
    assert "in eight ways" in PAGE


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE)
    assert links
    assert [link for link in links if not (DOCS / link).exists()] == []
