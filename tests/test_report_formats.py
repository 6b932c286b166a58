"""Each format, word for word, from one scan report and one runtime report; hostile names leave none of them broken.

`LEAKAUDIT_WRITE_GOLDEN=1 pytest tests/test_report_formats.py` writes the golden files anew; read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from report_samples import HOSTILE, RUNTIME, SCAN, source_line

import leakaudit
from leakaudit.findings.report import Report
from leakaudit.report import FORMATS, View, renderer

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {
    "text": "txt",
    "json": "json",
    "markdown": "md",
    "sarif": "sarif",
    "github": "github",
    "gitlab": "gitlab.json",
    "junit": "junit.xml",
}
VIEW = View(source_line=source_line)


def test_every_format_has_a_golden_file() -> None:
    assert set(ENDINGS) == set(FORMATS) - {"html"}  # a browser looks at that one


@pytest.mark.parametrize("report", [SCAN, RUNTIME], ids=["scan", "runtime"])
@pytest.mark.parametrize("format_", ENDINGS)
def test_golden(format_: str, report: Report) -> None:
    text = renderer(format_).render(report, VIEW).replace(f'"{leakaudit.__version__}"', '"VERSION"')
    path = GOLDEN / f"{report.kind}.{ENDINGS[format_]}"
    if os.environ.get("LEAKAUDIT_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("format_", FORMATS)
def test_hostile_names_can_be_written(format_: str) -> None:
    text = renderer(format_).render(HOSTILE, VIEW)
    assert text.endswith("\n")
    assert "\x1b" not in text
    assert "<script>alert" not in text or format_ in {"text", "json", "sarif", "gitlab", "github", "markdown"}


@pytest.mark.parametrize("format_", FORMATS)
def test_a_clean_report_can_be_written(format_: str) -> None:
    text = renderer(format_).render(Report(kind="scan", findings=(), files=3), VIEW)
    assert text.endswith("\n") or (format_ == "github" and not text)
