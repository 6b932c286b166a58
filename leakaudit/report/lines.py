"""Lines of source files for snippets, numbered as Python numbers them."""

from __future__ import annotations

import re
from functools import lru_cache

from leakaudit.errors import SourceError
from leakaudit.source.read import read_source

_LINE_END = re.compile(r"\r\n|\r|\n")


def read_line(path: str, number: int) -> str | None:
    """Return line `number` of a file, without its end, or None where there is none."""
    lines = _lines(path)
    return lines[number - 1] if 0 < number <= len(lines) else None


@lru_cache(maxsize=16)
def _lines(path: str) -> tuple[str, ...]:
    try:
        return tuple(_LINE_END.split(read_source(path).text))
    except SourceError:
        return ()
