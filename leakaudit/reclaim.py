"""Give memory back: for programs that call it between rounds, jobs or requests, and for nothing else of leakaudit's.

Imports the standard library only; ctypes, asyncio and psutil are loaded where they are needed.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What one clean-up gave back.

    `objects` is how many unreachable objects the collector found. `gc`, `malloc_trim` and `cuda_cache` are the bytes by
    which resident memory (for `cuda_cache`: torch's reserved device memory) fell over that step, 0 where it did not
    fall, None where there is no such step here. `rss` is the resident memory afterwards, None where that is unknown.
    """

    objects: int
    gc: int | None
    malloc_trim: int | None
    cuda_cache: int | None
    rss: int | None
    seconds: float

    @property
    def total(self) -> int:
        """The bytes of main memory that went back to the operating system."""
        return (self.gc or 0) + (self.malloc_trim or 0)


def cleanup_memory() -> Reclaimed:
    """Collect garbage, return free heap to the operating system, and empty torch's CUDA cache if torch is loaded.

    Thread-safe: one clean-up at a time. Costs one full collection, during which no Python code runs, and a walk over
    the allocator's free lists, during which other threads do.
    """
    with _lock:
        started = time.perf_counter()
        before = resident()
        objects = gc.collect()
        collected = resident()
        trimmed = resident() if _malloc_trim() else None
        cuda = _empty_cuda_cache()
        after = resident()
        return Reclaimed(
            objects=objects,
            gc=_fall(before, collected),
            malloc_trim=_fall(collected, trimmed),
            cuda_cache=cuda,
            rss=after,
            seconds=time.perf_counter() - started,
        )


async def cleanup_memory_async() -> Reclaimed:
    """Do the same in a thread, so that the event loop is free while the allocator works.

    The collector holds the interpreter's lock: for its part the loop waits all the same. Finalizers run in that thread.
    """
    import asyncio

    return await asyncio.to_thread(cleanup_memory)


def resident() -> int | None:
    """Return this process's resident bytes, None where they can't be read."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  (a Path costs more than the read)
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return _resident_elsewhere()


def _resident_elsewhere() -> int | None:
    try:
        import psutil

        return int(psutil.Process().memory_info().rss)
    except Exception:
        return None


def _fall(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, before - after)


def _malloc_trim() -> bool:
    """Call glibc's malloc_trim, return whether there is one. A foreign call, so other threads go on meanwhile."""
    trim = _foreign_trim()
    if trim is None:
        return False
    trim(0)
    return True


@lru_cache(maxsize=1)  # each CDLL makes a class of its own, which is garbage for the collector
def _foreign_trim() -> Callable[[int], int] | None:
    import ctypes

    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; no C library by that way (Windows)
        return None
    return trim


def _empty_cuda_cache() -> int | None:
    """Return the device bytes that torch let go of, None if this process does not use CUDA through torch."""
    torch: Any = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    try:
        if cuda is None or not cuda.is_initialized():  # asking more than that would start CUDA
            return None
        before = _reserved(cuda)
        cuda.empty_cache()
        return max(0, before - _reserved(cuda))
    except (AttributeError, RuntimeError):  # half imported, or the device failed: that is not ours to raise
        return None


def _reserved(cuda: Any) -> int:
    return sum(int(cuda.memory_reserved(device)) for device in range(cuda.device_count()))
