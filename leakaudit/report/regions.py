"""Byte offsets of a file's edits as lines and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

from leakaudit.errors import SourceError
from leakaudit.source.read import encoding_of, read_source

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Region:
    """From one place to another; lines and columns count from 1, in code points, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


def region(path: str, start: int, end: int) -> Region | None:
    """Return where two byte offsets of a file are, None where it cannot be read or has changed."""
    try:
        data = read_source(path).data
        if not 0 <= start <= end <= len(data):
            return None
        return Region(*_place(data, start), *_place(data, end))
    except (SourceError, UnicodeDecodeError):
        return None


def _place(data: bytes, offset: int) -> tuple[int, int]:
    lines = _LINE_END.split(data[:offset].decode(encoding_of(data)).removeprefix("\ufeff"))
    return len(lines), len(lines[-1]) + 1
