"""The text report, word for word, and that no audited file can drive the terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_samples import HITS, LISTENERS, RUNTIME, SCAN, SILENCED, source_line

from leakaudit.findings import Location, Related
from leakaudit.findings.report import Report
from leakaudit.report import View, renderer
from leakaudit.report.lines import read_line
from leakaudit.report.snippet import snippet
from leakaudit.report.style import cells, printable, relative, span

GOLDEN = Path(__file__).parent / "golden"
VIEW = View(source_line=source_line)
TEXT = renderer("text")


@pytest.mark.parametrize(
    ("report", "name"), [(SCAN, "scan.txt"), (RUNTIME, "runtime.txt")], ids=["scan", "runtime"]
)
def test_golden(report: Report, name: str) -> None:
    assert TEXT.render(report, VIEW) == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("report", [SCAN, RUNTIME], ids=["scan", "runtime"])
def test_nothing_is_wider_than_the_terminal(report: Report) -> None:
    for line in TEXT.render(report, VIEW).splitlines():
        assert cells(line) <= 80, line


@pytest.mark.parametrize("report", [SCAN, RUNTIME], ids=["scan", "runtime"])
def test_colour_changes_nothing_but_colour(report: Report) -> None:
    colored = TEXT.render(report, replace(VIEW, color=True))
    assert "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == TEXT.render(report, VIEW)


def test_brief_leaves_the_findings_alone() -> None:
    text = TEXT.render(SCAN, replace(VIEW, brief=True))
    assert "note: server/hub.py" not in text
    assert "143 files" not in text
    assert "server/limits.py:41:1 LA101" in text
    assert "server/broken.py:3: could not be read: invalid syntax" in text


def test_statistics_count_rules() -> None:
    assert TEXT.render(SCAN, replace(VIEW, statistics=True, brief=True)).endswith("never-cleared\n\n")
    text = TEXT.render(SCAN, replace(VIEW, statistics=True))
    assert "\n     1  LA101  unbounded-mapping\n     1  LA301  handler-registry-never-cleared\n" in text


def test_nothing_found_is_one_line() -> None:
    report = Report(kind="scan", findings=(), files=3, lines=10, seconds=0.1)
    assert TEXT.render(report, VIEW) == "0 findings; 3 files, 10 lines in 0.1 s\n"


def test_audited_text_cannot_drive_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\u202e"
    finding = replace(
        LISTENERS,
        message=f"message {evil}",
        symbol=f"symbol {evil}",
        location=Location(f"path{evil}.py", 1),
        related=(Related(Location(f"other{evil}.py", 2), f"label {evil}"),),
        notes=(f"note {evil}",),
        help=(f"help {evil}",),
    )
    report = replace(SCAN, findings=(finding,), notes=(evil,))
    text = TEXT.render(report, replace(VIEW, source_line=lambda path, line: f"source {evil}"))
    assert not set(evil) & {"\x1b", "\x07", "\u202e"} & set(text)
    audit = replace(RUNTIME, findings=tuple(replace(finding, verdict=f.verdict) for f in RUNTIME.findings))
    assert not {"\x1b", "\x07", "\u202e"} & set(TEXT.render(audit, VIEW))


def test_a_file_name_cannot_make_up_a_line() -> None:
    finding = replace(LISTENERS, location=Location("a\nb.py", 1), related=())
    assert "a\N{REPLACEMENT CHARACTER}b.py:1:1" in TEXT.render(replace(SCAN, findings=(finding,)), VIEW)


def test_a_long_command_line_is_cropped_and_says_so() -> None:
    assert RUNTIME.runtime is not None
    report = replace(RUNTIME, runtime=replace(RUNTIME.runtime, command="python " + "x" * 200))
    first = TEXT.render(report, VIEW).splitlines()[0]
    assert cells(first) == 80
    assert first.endswith("x ...)")


def test_a_suppressed_finding_that_is_confirmed_says_so() -> None:
    text = TEXT.render(
        replace(RUNTIME, findings=(replace(RUNTIME.findings[1], suppressed=SILENCED.suppressed),)), VIEW
    )
    assert "the scan is silent about it: comment: few tenants" in text


def test_runtime_paths_are_told_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = replace(RUNTIME.findings[1], location=Location(f"{tmp_path}/server/limits.py", 41), related=())
    outside = replace(inside, location=Location("/opt/app/limits.py", 41))
    text = TEXT.render(replace(RUNTIME, findings=(inside, outside)), VIEW)
    assert "(server/limits.py:41)" in text
    assert "(/opt/app/limits.py:41)" in text


def drawing(finding: object, **lines: str) -> list[str]:
    source = {int(name[1:]): text for name, text in lines.items()}
    return snippet(finding, View(source_line=lambda path, line: source.get(line)))  # type: ignore[arg-type]


def test_tabs_and_wide_characters_keep_the_underline_in_place() -> None:
    finding = replace(LISTENERS, location=Location("a.py", 1, 7, 1, 9))
    assert drawing(finding, l1="\t'日本' x9 = 1") == ["  |", "1 |     '日本' x9 = 1", "  |            ^^"]


def test_long_lines_are_cut_around_the_mark() -> None:
    finding = replace(LISTENERS, location=Location("a.py", 1, 205, 1, 210))
    _, line, underline = drawing(finding, l1="    " + "x" * 200 + "_hits" + "y" * 200)
    assert len(line) <= 80
    start = underline.index("^")
    assert line[start : start + underline.count("^")] == "_hits"


def test_a_span_over_lines_is_underlined_to_the_end_of_the_first() -> None:
    finding = replace(LISTENERS, location=Location("a.py", 1, 5, 3, 2))
    assert drawing(finding, l1="x = dict(  ") == ["  |", "1 | x = dict(", "  |     ^^^^^"]


def test_a_place_without_end_marks_the_name_there() -> None:
    finding = replace(LISTENERS, location=Location("a.py", 1, 5))
    assert drawing(finding, l1="def _f1(a):")[2] == "  |     ^^^"


def test_unreadable_source_still_tells_the_places() -> None:
    finding = replace(LISTENERS, related=(Related(Location("a.py", 7), "grows here"),))
    assert drawing(finding) == ["  |", "9 |", "  | ^", "  ::: a.py", "7 |", "  | - grows here"]


def test_many_places_are_capped() -> None:
    related = tuple(Related(Location("server/hub.py", line), "grows here") for line in range(20, 40))
    rows = drawing(replace(LISTENERS, related=related))
    assert rows[-1] == "   | ... and 13 more places"


def test_the_label_of_the_primary_place_is_the_related_one_there() -> None:
    rows = snippet(HITS, VIEW)
    assert rows[2] == "   | ^^^^^ created here, module level: lives until the process ends"
    assert sum("created here" in row for row in rows) == 1


@pytest.mark.parametrize(("start", "end"), [(1, 1), (0, 0), (500, 900), (3, 2), (1, None)])
def test_span_bears_any_columns(start: int, end: int | None) -> None:
    for line in ("", "abc", "x" * 300, "日" * 100):
        text, offset, length = span(line, start, end, 40)
        assert cells(text) <= 40
        assert offset >= 0
        assert length >= 1


def test_printable_keeps_ordinary_text() -> None:
    assert printable("naïve 日本 → x\n") == "naïve 日本 → x\n"
    assert printable("a\udcffb\rc") == "a\ufffdb\ufffdc"


def test_lines_are_numbered_as_python_numbers_them(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"a = 1\r\nb = '\x0c \xe2\x80\xa8'\rc = 3\n")
    assert [read_line(str(path), number) for number in (0, 1, 3, 4, 5)] == [None, "a = 1", "c = 3", "", None]
    assert read_line(str(tmp_path / "none.py"), 1) is None


def test_paths_below_the_current_folder_are_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getcwd", lambda: "C:\\work")
    monkeypatch.setattr("os.sep", "\\")
    assert relative("C:/work/a/b.py") == "a/b.py"
    assert relative("D:/a.py") == "D:/a.py"
