"""Changed files as a unified diff, which `git apply -p0` and `patch -p0` understand."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

#: Only a line feed ends a line of a diff: a form feed within a line must not.
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


def unified(changes: Iterable[tuple[str, str, str]]) -> str:
    """Return the diff of (path, text before, text after)."""
    return "".join(line for change in changes for line in _file(*change))


def _file(path: str, before: str, after: str) -> Iterator[str]:
    old, new = _LINES.findall(before), _LINES.findall(after)
    for line in difflib.unified_diff(old, new, path, path):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
