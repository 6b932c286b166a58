"""Colour, wrapping, and text made safe for a terminal."""

from __future__ import annotations

import os
import re
import textwrap
import unicodedata
from dataclasses import dataclass

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
#: Control characters, and what reverses the direction of text: an audited file must not drive the terminal.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_TAB = 4


@dataclass(frozen=True, slots=True)
class Style:
    """Wraps text in colour if there is colour."""

    color: bool

    def paint(self, text: str, *names: str) -> str:
        """Return the text in the named styles (bold, dim, red, green, yellow, blue, cyan)."""
        if not self.color or not text:
            return text
        codes = ";".join(_CODES[name] for name in names)
        return f"\x1b[{codes}m{text}\x1b[0m"


def printable(text: str) -> str:
    """Replace what would drive a terminal, and write tabs as blanks."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", " " * _TAB))


def printable_path(path: str) -> str:
    """Make a path safe for a terminal; in a path a line feed is one more character that could drive it."""
    return printable(path).replace("\n", "\N{REPLACEMENT CHARACTER}")


def relative(path: str) -> str:
    """Write a path from the current folder if it lies below it, as people would."""
    here = os.getcwd().replace(os.sep, "/") + "/"  # noqa: PTH109
    return path[len(here) :] if path.startswith(here) else path


def cells(text: str) -> int:
    """Return how many terminal cells a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Wrap a paragraph at `width`; long words such as paths stay whole. `first` and `rest` start the lines."""
    return textwrap.wrap(
        printable(text),
        max(width, 30),
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def span(line: str, start: int, end: int | None, width: int) -> tuple[str, int, int]:
    """Fit a source line into `width` cells around the columns `start` to `end` (from 1, end exclusive).

    Returns the shown text, and the offset and length of the underline in cells.
    """
    start = min(max(start, 1), len(line) + 1)
    end = len(line.rstrip()) + 1 if end is None or end <= start else min(end, len(line) + 1)
    before, marked, after = (
        printable(part) for part in (line[: start - 1], line[start - 1 : end - 1], line[end - 1 :])
    )
    if cells(before + marked + after) > width:
        before, marked, after = _crop(before, marked, after, width)
    return (before + marked + after).rstrip(), cells(before), max(cells(marked), 1)


def _crop(before: str, marked: str, after: str, width: int) -> tuple[str, str, str]:
    """Shorten the marked part to what fits, then give what stands around it the rest, the left side first."""
    marked = _clip(marked, max(width - 2, 1))
    before = _clip(before[::-1], max(width - cells(marked) - 1, 0))[::-1]
    return before, marked, _clip(after, width - cells(before) - cells(marked))


def _clip(text: str, width: int) -> str:
    """Cut a text to `width` cells, with an ellipsis for what is gone."""
    if cells(text) <= width:
        return text
    end = max(width - 1, 0)
    while end and cells(text[:end]) > width - 1:
        end -= 1
    return text[:end] + "…" * (width > 0)
