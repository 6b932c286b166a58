"""What one scan leaves for the next: of each file its stamp and what it is kept under, and the findings."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from leakaudit.findings.model import Finding
from leakaudit.findings.suppression import Comment


class FileRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file as it was. `key` is what its facts are kept under; `reason` (and `line`) tell why there are none.

    `stamp` is "" where the file may change without one: written only just now, or not readable.
    """

    path: str
    stamp: str
    key: str
    lines: int = 0
    reason: str = ""
    line: int | None = None


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What all rules found: the findings and the comments that may silence them, of the files that have some."""

    findings: tuple[Finding, ...]
    comments: dict[str, tuple[Comment, ...]]


class ScanRecord(msgspec.Struct, frozen=True, array_like=True):
    """One scan of a set of paths. `outcome` is an encoded Outcome; it holds as long as `version` is the same.

    `known` maps the fingerprints of what the user was told of to the ranks of their confidence.
    """

    files: tuple[FileRecord, ...]
    version: str = ""
    outcome: bytes = b""
    known: dict[str, int] | None = None


def encode(record: object) -> bytes:
    """Return a record as bytes."""
    return msgspec.msgpack.encode(record)


def decode_scan(data: bytes) -> ScanRecord | None:
    """Return a scan's record; None where the bytes are damaged."""
    return _decode(data, ScanRecord)


def decode_outcome(data: bytes) -> Outcome | None:
    """Return what a scan found; None where the bytes are damaged."""
    return _decode(data, Outcome)


_Record = TypeVar("_Record")


def _decode(data: bytes, kind: type[_Record]) -> _Record | None:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError:
        return None
