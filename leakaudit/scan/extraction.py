"""Extract files one after the other: what a worker runs. Whatever happens in a file is the reason why it has no facts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from leakaudit.errors import SourceError
from leakaudit.facts.extract import facts_of, parsing
from leakaudit.facts.model import FileFacts
from leakaudit.scan.limits import time_limit, without_collections
from leakaudit.scan.versions import content_key, facts_version, key_of
from leakaudit.source import SourceFile, read_source

#: Seconds of processor time that a file may take; the largest that are read at all need about two.
FILE_SECONDS = 10.0
#: From this size on a chain of operators can be long enough to overflow the C stack of CPython 3.10.
_CHAIN_BYTES = 150_000


@dataclass(frozen=True, slots=True)
class Extracted:
    """One file: its facts, or the reason (and line) why there are none. `key` names its content.

    `blob` is the facts encoded, where somebody did so.
    """

    key: str
    facts: FileFacts | None = None
    blob: bytes = b""
    reason: str = ""
    line: int | None = None

    def encoded(self) -> bytes:
        """Return the facts as bytes, b"" where there are none."""
        return self.blob or (_encoder.encode(self.facts) if self.facts is not None else b"")


#: What travels: key, encoded facts, reason, line.
Message = tuple[str, bytes, str, "int | None"]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(FileFacts)


def extract_each(paths: Sequence[str], seconds: float = FILE_SECONDS) -> Iterator[Extracted]:
    """Extract files in their order."""
    with without_collections(), parsing(), time_limit(seconds) as clock:
        for path in paths:
            yield _extract(path, clock)


def extract_for_sender(paths: Sequence[str], version: str) -> list[Message]:
    """Extract files for another process, maybe on another machine, whose facts code has this version."""
    if version != facts_version():
        cause = "a worker runs another leakaudit or another Python than this one"
        raise SourceError(cause, "install the same on both sides")
    return [(e.key, e.encoded(), e.reason, e.line) for e in extract_each(paths)]


def received(message: Message) -> Extracted:
    """Return what a worker sent."""
    key, blob, reason, line = message
    return Extracted(key, _decoder.decode(blob) if blob else None, blob, reason, line)


def _extract(path: str, clock: Callable[[bool], None]) -> Extracted:
    key = ""
    try:
        source = read_source(path)
        key = content_key(source.data)
        clock(True)
        _refuse_chains(source)
        facts = facts_of(source.text)
        clock(False)
    except SourceError as error:
        clock(False)
        return Extracted(key or key_of(path), None, b"", *_reason(error))
    except Exception as error:  # a bug of ours is told with its place, and the other files go on
        clock(False)
        return Extracted("", None, b"", f"leakaudit failed on it ({_told(error)})")
    return Extracted(key, facts)


def _refuse_chains(source: SourceFile) -> None:
    """Let a child process try what could end this one."""
    if sys.version_info >= (3, 11) or len(source.data) < _CHAIN_BYTES:
        return
    import subprocess

    parse = "import ast, sys; ast.parse(sys.stdin.buffer.read())"
    child = subprocess.run(
        (sys.executable, "-ISc", parse), input=source.data, capture_output=True, check=False
    )
    if child.returncode not in (0, 1):
        raise SourceError("is nested too deeply to be read")


def _reason(error: SourceError) -> tuple[str, int | None]:
    """Split `line 3: invalid syntax` into the reason and the line."""
    number, colon, text = error.cause.removeprefix("line ").partition(": ")
    if colon and number.isdecimal() and error.cause.startswith("line "):
        return text, int(number)
    return str(error), None


def _told(error: Exception) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f", {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
