"""What the allocators have handed out, and what they keep."""

# ruff: noqa: PTH108
from __future__ import annotations

import gc
import os
import sys
from itertools import compress
from types import ModuleType

from .retained import COLLECTED, sizes
from .walk import PART

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .clock import Clock

LARGEST_POOLED = 512  # bytes; CPython asks the C library for more than that


def allocator(directory: str) -> dict[str, int]:
    """Return the bytes that the allocators have handed out, and those that they keep free."""
    figures = pymalloc(f"{directory}/allocator")
    found = malloc()
    return {
        "pymalloc": figures.get("bytes in allocated blocks", 0),
        "pymalloc_free": figures.get("bytes in available blocks", 0) + figures.get("unused", 0),
        "malloc": -1 if found is None else found[0] + found[2],
        "malloc_free": -1 if found is None else found[1],
    }


def pymalloc(path: str) -> dict[str, int]:
    """Return the figures that CPython prints on standard error, which in the child leads nowhere."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 2)
    sys._debugmallocstats()
    with os.fdopen(descriptor, "r", encoding="ascii", errors="replace") as file:
        file.seek(0)
        lines = [line.partition("=") for line in file]
    os.unlink(path)
    figures = {}
    for name, _, value in lines:
        digits = value.strip().replace(",", "")
        if digits.isdigit():
            figures["unused" if "unused pools" in name else name.strip("# ")] = int(digits)
    return figures


def malloc() -> tuple[int, int, int] | None:
    """Return the bytes in use, free but kept, and mapped by the C library's allocator, None where it cannot tell."""
    import ctypes

    fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    figures = type("Figures", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in fields]})
    try:
        call = ctypes.PyDLL(None).mallinfo2
    except AttributeError:
        return None
    call.restype = figures
    found = call()
    return found.uordblks, found.fordblks, found.hblkhd


def large(objects: list[Any], clock: Clock, share: float) -> int | None:
    """Return the bytes of the objects too large for pymalloc, and of what they refer to that the collector does not
    know; None if a share of the time is over before.
    """
    total, seen = 0, {0}
    todo = list(objects)
    while todo:
        part = todo[-PART:]
        del todo[-PART:]
        total += sum(size for size in sizes(part) if size > LARGEST_POOLED)
        todo += untracked(part, seen)
        if clock.spent(share):
            return None
    return total


def untracked(part: list[Any], seen: set[int]) -> list[Any]:
    """Return the objects unknown to the collector that some refer to, if they are large or refer to others."""
    # What modules written in C refer to may be freed already.
    found = gc.get_referents(*(obj for obj in part if type(obj) is not ModuleType))
    numbers = list(map(id, found))
    found = list(
        {n: obj for n, obj in zip(numbers, found) if n not in seen and not gc.is_tracked(obj)}.values()
    )
    heavy = [
        size > LARGEST_POOLED or bool(type(obj).__flags__ & COLLECTED)
        for obj, size in zip(found, sizes(found))
    ]
    kept = list(compress(found, heavy))
    seen.update(map(id, kept))
    return kept
