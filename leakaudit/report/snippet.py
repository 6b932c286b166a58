"""The places of a finding as source lines with labelled underlines, as rustc shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from leakaudit.report.style import Style, cells, printable, printable_path, span, wrap

if TYPE_CHECKING:
    from leakaudit.findings import Finding, Location
    from leakaudit.report import View

#: More places than this tell no story.
MOST_PLACES = 8


@dataclass(frozen=True, slots=True)
class _Mark:
    location: Location
    label: str
    primary: bool


def snippet(finding: Finding, view: View) -> list[str]:
    """Return the lines of the drawing: the primary span with carets, the related ones with dashes."""
    marks = _marks(finding)
    shown = marks[:MOST_PLACES]
    gutter = max(len(str(mark.location.line)) for mark in shown)
    style = Style(view.color)
    bar = style.paint("|", "blue", "bold")
    lines = [f"{'':{gutter}} {bar}"]
    for path, group in groupby(shown, key=lambda mark: mark.location.path):
        if path != finding.location.path:
            lines.append(f"{'':{gutter}} {style.paint(':::', 'blue', 'bold')} {printable_path(path)}")
        lines += _file(list(group), gutter, view)
    if len(marks) > len(shown):
        lines.append(f"{'':{gutter}} {bar} ... and {len(marks) - len(shown)} more places")
    return lines


def _marks(finding: Finding) -> list[_Mark]:
    """Return the marks, those in the finding's own file first, in the order of the lines."""
    home = finding.location
    here = [
        item for item in finding.related if (item.location.path, item.location.line) == (home.path, home.line)
    ]
    label = here[0].message if here else ""
    marks = [_Mark(home, label, True)]
    marks += [_Mark(item.location, item.message, False) for item in finding.related if item not in here[:1]]
    paths = list(dict.fromkeys(mark.location.path for mark in marks))
    return sorted(
        marks, key=lambda mark: (paths.index(mark.location.path), mark.location.line, not mark.primary)
    )


def _file(marks: list[_Mark], gutter: int, view: View) -> Iterator[str]:
    style = Style(view.color)
    bar = style.paint("|", "blue", "bold")
    shown: int | None = None
    for mark in marks:
        place = mark.location
        line = view.source_line(place.path, place.line)
        text, offset, length = _span(line or "", mark, view.width - gutter - 3)
        if place.line != shown:
            number = style.paint(f"{place.line:>{gutter}}", "blue", "bold")
            yield f"{number} {bar} {text}" if text else f"{number} {bar}"
            shown = place.line
        yield from (
            f"{'':{gutter}} {bar} {row}"
            for row in _label(mark, offset, length, view.width - gutter - 3, style)
        )


def _span(line: str, mark: _Mark, width: int) -> tuple[str, int, int]:
    place = mark.location
    end = place.end_column if place.end_line in (None, place.line) else None
    column = place.column
    if end is None and place.end_line in (None, place.line):
        column, end = _word(line, column)
    return span(line, column, end, width)


def _word(line: str, column: int) -> tuple[int, int]:
    """Return the columns of what stands at a place that has no end: the dotted name there, else the statement."""
    if column == 1:
        column = len(line) - len(line.lstrip()) + 1
    end = column
    while end <= len(line) and (line[end - 1].isalnum() or line[end - 1] in "_."):
        end += 1
    return column, end if end > column else len(line.rstrip()) + 1


def _label(mark: _Mark, offset: int, length: int, width: int, style: Style) -> list[str]:
    """Return the underline with its label beside it, or below it where the label would not fit."""
    color = ("red", "bold") if mark.primary else ("blue", "bold")
    line = " " * offset + style.paint(("^" if mark.primary else "-") * length, *color)
    label = printable(mark.label)
    if not label:
        return [line]
    if offset + length + 1 + cells(label) <= width:
        return [f"{line} {style.paint(label, *color)}"]
    indent = " " * min(offset, max(width - 50, 0))
    return [line, *(indent + style.paint(row.strip(), *color) for row in wrap(label, width, indent))]
