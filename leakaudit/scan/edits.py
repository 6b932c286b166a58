"""The difference of two texts as edits of the file's bytes, and such edits applied."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from leakaudit.source import SourceFile, encoding_of

#: (start, end, text): what stands between two byte offsets of the file becomes `text`.
Edit = tuple[int, int, str]
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


def between(source: SourceFile, after: str) -> tuple[Edit, ...]:
    """Return the edits that make `after` of the source's text, as small as whole lines and their ends allow."""
    encoding = encoding_of(source.data)
    start = len(codecs.BOM_UTF8) if source.data.startswith(codecs.BOM_UTF8) else 0
    found = []
    done = 0
    for first, last, text in _changes(source.text, after):
        start += len(source.text[done:first].encode(encoding))
        size = len(source.text[first:last].encode(encoding))
        found.append((start, start + size, text))
        start += size
        done = last
    return tuple(found)


def apply(source: SourceFile, edits: Iterable[Edit]) -> bytes:
    """Return the file's bytes after the edits, which must not overlap; one that is given twice is made once."""
    encoding = encoding_of(source.data)
    parts: list[bytes] = []
    done = 0
    for start, end, text in sorted(set(edits)):
        parts += (source.data[done:start], text.encode(encoding))
        done = end
    return b"".join((*parts, source.data[done:]))


def overlap(edits: Iterable[Edit], others: Iterable[Edit]) -> bool:
    """Tell whether two sets of edits touch each other; the same edit in both (an import that both need) does not."""
    mine, others = set(edits), set(others)
    return any(
        start <= last and first <= end for start, end, _ in mine - others for first, last, _ in others - mine
    )


def _changes(before: str, after: str) -> Iterator[Edit]:
    """Yield (start, end, text) in characters."""
    old, new = _LINES.findall(before), _LINES.findall(after)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    old_part, new_part = old[head : len(old) - tail], new[head : len(new) - tail]
    at = sum(map(len, old[:head]))
    done = 0
    for _, i1, i2, j1, j2 in SequenceMatcher(None, old_part, new_part, autojunk=False).get_opcodes():
        at += sum(map(len, old_part[done:i1]))
        gone, come = "".join(old_part[i1:i2]), "".join(new_part[j1:j2])
        if gone != come:
            same = _common(gone, come)
            end = _common(gone[same:][::-1], come[same:][::-1])
            yield at + same, at + len(gone) - end, come[same : len(come) - end]
        at += len(gone)
        done = i2


def _common(first: str | list[str], second: str | list[str]) -> int:
    """Return how many items the beginnings share."""
    count = 0
    for one, other in zip(first, second):
        if one != other:
            break
        count += 1
    return count
