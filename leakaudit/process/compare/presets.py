"""Settings that are tried again and again, by one name."""

from __future__ import annotations

import ctypes.util
import os
from collections.abc import Callable

from leakaudit.process.compare.matrix import Choice, Dimension

TRIM_THRESHOLD = 128 * 1024  # glibc's own starting value; to set it is what stops it from growing


def allocator() -> Dimension:
    """Return what most often helps a heap that does not shrink: fewer arenas, earlier trimming, other allocators.

    jemalloc is left out where it is not installed.
    """
    choices = [
        Choice("default"),
        _environment("arenas-2", MALLOC_ARENA_MAX="2"),
        _environment("arenas-4", MALLOC_ARENA_MAX="4"),
        _environment("trim-128k", MALLOC_TRIM_THRESHOLD_=str(TRIM_THRESHOLD)),
        _environment("python-malloc", PYTHONMALLOC="malloc"),
    ]
    library = jemalloc()
    if library:
        others = os.environ.get("LD_PRELOAD")
        preload = f"{library} {others}" if others else library
        choices.append(_environment("jemalloc", LD_PRELOAD=preload))
        choices.append(_environment("jemalloc-all", LD_PRELOAD=preload, PYTHONMALLOC="malloc"))
    return Dimension("allocator", tuple(choices))


def jemalloc() -> str | None:
    """Return the name by which the loader finds jemalloc, None if it is not installed."""
    return ctypes.util.find_library("jemalloc")


#: Name for `--settings` -> what it varies.
PRESETS: dict[str, Callable[[], Dimension]] = {"allocator": allocator}


def _environment(name: str, **variables: str) -> Choice:
    return Choice(name, environment=tuple(variables.items()))
