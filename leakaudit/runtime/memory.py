"""Where the resident memory of the target is: what the kernel says of its mappings, told apart by the census."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from leakaudit.process import allocator

if TYPE_CHECKING:
    from leakaudit.runtime.census import Census

#: Mappings from which allocators hand out memory.
HEAPS = (allocator.MAIN_HEAP, allocator.THREAD_ARENAS, allocator.PYMALLOC, allocator.ANONYMOUS)

NAMED = "growing containers"
OBJECTS = "other Python objects"
FREE = "kept free by the allocators"
NATIVE = "native memory"
UNKNOWN = "objects, native and free memory (no census)"
LIVE = "other live memory of the allocators"
OWN = "the audit itself"


def seen_outside(pid: int) -> dict[str, Any] | None:
    """Return a process's resident bytes, in all and by what they are mapped for; None if that is denied."""
    account = allocator.account(pid)
    if account is None:
        return None
    return {
        "rss": account.rss,
        "parts": account.as_dict(),
        "swap": account.swap,
        "arena_heaps": account.arena_heaps,
        "stacks": account.stacks,
        "allocator": account.allocator,
    }


def account(
    outside: Mapping[str, Any] | None, census: Census | None, own_bytes: int
) -> tuple[tuple[str, float], ...]:
    """Return name -> bytes, largest first; they add up to the resident memory. Empty if nothing is known."""
    if outside is None:
        return ()
    parts: dict[str, int] = {}
    for name, size in outside["parts"].items():
        parts[name] = parts.get(name, 0) + size
    heap = sum(parts.pop(name, 0) for name in HEAPS)
    own = min(own_bytes, heap)
    parts |= {OWN: own, **_split(heap - own, census)}
    told = ((name, float(size)) for name, size in parts.items() if size)
    return tuple(sorted(told, key=lambda item: -item[1]))


def _split(heap: int, census: Census | None) -> dict[str, int]:
    """Divide the memory that allocators manage; each part is bounded by what is left of it."""
    if census is None or census.live is None or census.free is None:
        return {UNKNOWN: heap}
    found: dict[str, int] = {}
    wanted = {NAMED: census.named_bytes or 0}
    if census.python is None:
        wanted[LIVE] = census.live - wanted[NAMED]
    else:
        wanted[OBJECTS] = census.python - wanted[NAMED]
        wanted[NATIVE] = census.live - census.python
    # Some of what is free was never touched, or given back: it is not resident.
    wanted[FREE] = census.free
    for name, size in wanted.items():
        found[name] = min(max(0, size), heap)
        heap -= found[name]
    found[NATIVE] = found.get(NATIVE, 0) + heap
    return found
