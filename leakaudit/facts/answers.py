"""What the Project answers: a word, the reason for it, and where the reason stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Answer:
    """`value` is the answer in one word, `reason` a clause that can be printed, `path` and `line` its place if any."""

    value: str
    reason: str
    path: str = ""
    line: int = 0


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """Split a name into lower-case words: `HTTPServer_pool2` is http, server, pool, 2."""
    return tuple([part.lower() for part in _WORD.findall(name)])
