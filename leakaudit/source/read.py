"""Read one source file: bytes, and the text that PEP 263 makes of them."""

from __future__ import annotations

import codecs
import io
import tokenize
from dataclasses import dataclass

from leakaudit.errors import SourceError

#: Files above this size are data in Python's clothes; parsing one can take minutes and gigabytes.
MAX_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as read: `path` as the user gave it with `/`, `text` without a byte order mark, line ends as they are."""

    path: str
    data: bytes
    text: str


def read_source(path: str, max_bytes: int = MAX_BYTES) -> SourceFile:
    """Read and decode a file; raises SourceError with the reason as its cause."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  a Path per file costs more than the read
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise SourceError(error.strerror or type(error).__name__) from error
    if len(data) > max_bytes:
        raise SourceError(f"larger than {max_bytes / 1e6:.1f} MB", "exclude it, or split it up")
    return SourceFile(path, data, decode(data))


def decode(data: bytes) -> str:
    """Decode Python source by its byte order mark, its coding line, else UTF-8; raises SourceError."""
    if b"\0" in data:
        raise SourceError("holds NUL bytes", "it is not Python source")
    try:
        return _without_bom(data).decode(encoding_of(data))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"not valid {error.encoding} (byte {data[error.start]:#04x} in line {line})"
        ) from error
    except (SyntaxError, LookupError) as error:
        raise SourceError(f"coding line not understood ({error})") from error


def encoding_of(data: bytes) -> str:
    """Return the encoding that a source file declares, without a byte order mark; SyntaxError if it names none."""
    first_two_lines = (
        data[: data.find(b"\n", data.find(b"\n") + 1)] if data.count(b"\n", 0, 400) > 1 else data
    )
    if b"coding" not in first_two_lines:
        return "utf-8"
    return tokenize.detect_encoding(io.BytesIO(data).readline)[0].removesuffix("-sig")


def _without_bom(data: bytes) -> bytes:
    return data.removeprefix(codecs.BOM_UTF8)
