"""Become the parent of what a run leaves behind, so that no daemon slips away between two looks (Linux 3.4)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

SET_CHILD_SUBREAPER, GET_CHILD_SUBREAPER = 36, 37  # prctl(2)


@contextmanager
def adopting() -> Iterator[bool]:
    """Adopt orphaned descendants for the length of the block; False where the system can't."""
    before = _adopts()
    done = before is not None and _adopt(True)
    try:
        yield done
    finally:
        if done:
            _adopt(bool(before))


def reap(pids: Iterable[int]) -> None:
    """Take the exit codes of those that are children of ours and have ended."""
    for pid in pids:
        with suppress(ChildProcessError, AttributeError):
            os.waitpid(pid, os.WNOHANG)


def _adopts() -> bool | None:
    """Whether this process adopts orphans already, None where it can't be told."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    answer = ctypes.c_int(0)
    try:
        failed = ctypes.CDLL(None).prctl(GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    except (AttributeError, OSError):
        return None
    return None if failed else bool(answer.value)


def _adopt(wanted: bool) -> bool:
    import ctypes

    return bool(ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) == 0)
