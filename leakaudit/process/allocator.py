"""Where the resident memory is, seen from outside: which allocator holds it, stacks, files.

glibc gives each thread an arena of its own, made of heaps of 64 MiB at addresses that are multiples of 64 MiB, of
which the unused rest stays unreadable (HEAP_MAX_SIZE in glibc's malloc/arena.c). pymalloc's arenas come from mmap,
wherever there is room, and the kernel merges them with their neighbours: they cannot be told from large blocks, unless
Python names them (PR_SET_VMA_ANON_NAME).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from leakaudit.process import mappings
from leakaudit.process.mappings import Mapping

HEAP = 64 * 1024 * 1024
LARGEST_GUARD = 64 * 1024
SMALLEST_STACK = 64 * 1024

MAIN_HEAP = "main heap"
THREAD_ARENAS = "glibc thread arenas"
PYMALLOC = "pymalloc arenas"
ANONYMOUS = "pymalloc arenas and large blocks"
STACKS = "thread stacks"
LIBRARIES = "programs and libraries"
FILES = "mapped files"
SHARED = "shared memory"
DEVICES = "device memory"
KERNEL = "kernel pages"

#: How a mapping's name starts -> what it is for; the first that fits.
STARTS_WITH = (
    ("[heap]", MAIN_HEAP),
    ("[stack", STACKS),
    ("[", KERNEL),
    (("/dev/shm/", "/dev/zero", "/memfd:", "/SYSV"), SHARED),  # noqa: S108  (a name, no file of ours)
    ("/dev/", DEVICES),
)
LIBRARY = re.compile(r"\.so(\.[\d.]+)?$")
ALLOCATORS = {
    "jemalloc": "jemalloc",
    "tcmalloc": "tcmalloc",
    "mimalloc": "mimalloc",
    "musl": "musl",
    "libc.so": "glibc",
    "libc-": "glibc",
}
MANY_ARENAS = 4
LARGE_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Account:
    """Resident bytes by what they are for; the parts sum up to `rss`.

    `huge` and `swap` are not parts: they say how much of it lies in huge pages, and what was swapped out.
    `arena_heaps` counts glibc's 64 MiB heaps, `stacks` the thread stacks; `allocator` is the C one, "" if not known.
    """

    parts: tuple[tuple[str, int], ...]
    rss: int
    huge: int
    swap: int
    arena_heaps: int
    stacks: int
    allocator: str

    def as_dict(self) -> dict[str, int]:
        """Return name -> bytes."""
        return dict(self.parts)

    @property
    def is_spread_over_arenas(self) -> bool:
        """Whether thread arenas hold so much that fewer of them, or `malloc_trim`, are worth a try."""
        held = self.as_dict().get(THREAD_ARENAS, 0)
        return self.arena_heaps >= MANY_ARENAS and held > LARGE_SHARE * self.rss


def account(pid: int) -> Account | None:
    """Return where the memory of a process is; None if that is denied, or the process is gone.

    The kernel walks all pages for it: tens of milliseconds for a process of gigabytes.
    """
    found = mappings.read(pid)
    return account_of(found) if found else None


def account_of(found: Sequence[Mapping]) -> Account:
    """Return the account of mappings in order of address."""
    totals: dict[str, int] = {}
    heaps = stacks = 0
    allocator = _allocator(found)
    for before, mapping, after in _with_neighbours(found):
        for name, rss in _parts(before, mapping, after, allocator == "glibc"):
            totals[name] = totals.get(name, 0) + rss
            stacks += name == STACKS
        heaps += allocator == "glibc" and _heap_start(mapping, after) is not None
    return Account(
        parts=tuple(sorted(((n, b) for n, b in totals.items() if b), key=lambda item: -item[1])),
        rss=sum(mapping.rss for mapping in found),
        huge=sum(mapping.huge for mapping in found),
        swap=sum(mapping.swap for mapping in found),
        arena_heaps=heaps,
        stacks=stacks,
        allocator=allocator,
    )


def _with_neighbours(found: Sequence[Mapping]) -> Iterator[tuple[Mapping | None, Mapping, Mapping | None]]:
    for i, mapping in enumerate(found):
        before = found[i - 1] if i and found[i - 1].end == mapping.start else None
        after = found[i + 1] if i + 1 < len(found) and found[i + 1].start == mapping.end else None
        yield before, mapping, after


def _parts(
    before: Mapping | None, mapping: Mapping, after: Mapping | None, glibc: bool
) -> Iterable[tuple[str, int]]:
    if not mapping.is_anonymous:
        return ((_named(mapping), mapping.rss),)
    heap = _heap_start(mapping, after) if glibc else None
    if heap is not None:
        # The kernel merges neighbours: what lies below the heap belongs to somebody else, in proportion.
        own = round(mapping.rss * (mapping.end - max(heap, mapping.start)) / mapping.size)
        return ((THREAD_ARENAS, own), (_anonymous(mapping), mapping.rss - own))
    if (
        before is not None
        and before.is_guard
        and before.size <= LARGEST_GUARD
        and mapping.size >= SMALLEST_STACK
    ):
        return ((STACKS, mapping.rss),)
    return ((_anonymous(mapping), mapping.rss),)


def _heap_start(mapping: Mapping, after: Mapping | None) -> int | None:
    """Return where the topmost glibc heap in a mapping starts, None if there is none."""
    if not mapping.is_anonymous or not mapping.permissions.startswith("rw"):
        return None
    if after is not None and after.is_guard and after.end % HEAP == 0 and after.size < HEAP:
        start = after.end - HEAP
        return start if start < mapping.end else None
    full = mapping.end % HEAP == 0 and mapping.start % HEAP == 0
    return mapping.end - HEAP if full else None


def _anonymous(mapping: Mapping) -> str:
    return PYMALLOC if "pymalloc" in mapping.name else ANONYMOUS


def _named(mapping: Mapping) -> str:
    for starts, part in STARTS_WITH:
        if mapping.name.startswith(starts):
            return part
    is_code = "x" in mapping.permissions or LIBRARY.search(mapping.name.removesuffix(" (deleted)"))
    return LIBRARIES if is_code else FILES


def _allocator(found: Iterable[Mapping]) -> str:
    names = {mapping.name.rpartition("/")[2] for mapping in found if mapping.name.startswith("/")}
    for part, allocator in ALLOCATORS.items():
        if any(part in name for name in names):
            return allocator
    return ""
