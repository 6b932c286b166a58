"""Replace a source file in one step, so that nobody ever reads half of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from leakaudit.errors import SourceError


def write_source(path: str, before: bytes, after: bytes) -> None:
    """Make a file that holds `before` hold `after`, with its mode; a link stays one. Raises SourceError."""
    target = Path(path).resolve()
    try:
        if target.read_bytes() != before:
            raise SourceError(f"{path} was changed while it was being fixed", "run leakaudit again")
        if not os.access(target, os.W_OK):
            raise SourceError(f"{path} is not fixed, it cannot be written", "make it writable")
        _replace(target, after)
    except OSError as error:
        raise SourceError(f"{path} is not fixed, it cannot be written ({error.strerror})") from error


def _replace(target: Path, data: bytes) -> None:
    import tempfile

    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        _take_after(draft, target.stat())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _take_after(draft: Path, status: os.stat_result) -> None:
    """Give a file another one's owner, as far as we may, and mode."""
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(draft, status.st_uid, status.st_gid)
    draft.chmod(status.st_mode & 0o7777)
