"""A finding's places as lines of source with what is said of them, ready to be laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.report.style import printable
from leakaudit.report.told import posix

if TYPE_CHECKING:
    from leakaudit.findings import Finding, Location

#: Lines shown before and after a marked one, and places that still tell a story.
AROUND = 1
MOST_PLACES = 8
#: A longer line is data.
WIDEST = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One line of source: its text before, within and after the marked span, and the labels below it."""

    number: int
    before: str
    marked: str = ""
    after: str = ""
    labels: tuple[str, ...] = ()
    primary: bool = False
    gap: bool = False  # lines are left out above it


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of one file."""

    path: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Mark:
    place: Location
    label: str
    primary: bool = False


def excerpts(finding: Finding, read: Callable[[str, int], str | None]) -> tuple[Excerpt, ...]:
    """Return the finding's places by file, its own first."""
    by_path: dict[str, list[_Mark]] = {}
    for mark in _marks(finding):
        by_path.setdefault(mark.place.path, []).append(mark)
    return tuple(
        Excerpt(printable(posix(path)), tuple(_rows(path, marks, read))) for path, marks in by_path.items()
    )


def _marks(finding: Finding) -> Iterator[_Mark]:
    home = finding.location
    related = finding.related[:MOST_PLACES]
    own = next((item for item in related if _line(item.location) == _line(home)), None)
    yield _Mark(home, own.message if own else "", primary=True)
    yield from (_Mark(item.location, item.message) for item in related if item is not own)


def _line(place: Location) -> tuple[str, int]:
    return place.path, place.line


def _rows(path: str, marks: list[_Mark], read: Callable[[str, int], str | None]) -> Iterator[Row]:
    wanted: set[int] = set()
    for mark in marks:
        wanted.update(range(max(mark.place.line - AROUND, 1), mark.place.line + AROUND + 1))
    last = 0
    for number in sorted(wanted):
        here = [mark for mark in marks if mark.place.line == number]
        text = read(path, number)
        if not here and not (text or "").strip():
            continue  # it could not be read, or says nothing
        yield _row(number, text or "", here, gap=bool(last) and number > last + 1)
        last = number


def _row(number: int, text: str, marks: list[_Mark], *, gap: bool) -> Row:
    labels = tuple(printable(mark.label) for mark in marks if mark.label)
    primary = any(mark.primary for mark in marks)
    text = text.rstrip()[:WIDEST]
    start, end = _span(text, marks[0].place) if marks else (len(text), len(text))
    before, marked, after = (printable(part) for part in (text[:start], text[start:end], text[end:]))
    return Row(number, before, marked, after, labels, primary, gap)


def _span(text: str, place: Location) -> tuple[int, int]:
    indent = len(text) - len(text.lstrip())
    start = min(max(place.column - 1, indent), len(text))
    if place.end_column is None or place.end_line not in (None, place.line):
        return start, len(text)
    return start, max(start, min(place.end_column - 1, len(text)))
