"""The account of resident memory, on mappings by hand and on a process whose arenas we filled."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import psutil
import pytest

from leakaudit.process import allocator, mappings
from leakaudit.process.allocator import account, account_of
from leakaudit.process.mappings import Mapping, parse

MIB = 1024 * 1024
HEAP = 64 * MIB
LIBC = Mapping(0x7F0000000000, 0x7F0000001000, "r-xp", "/usr/lib/x86_64-linux-gnu/libc.so.6", rss=4096)

SMAPS = b"""\
55d0c0a00000-55d0c0a21000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                 100 kB
Pss:                  90 kB
AnonHugePages:         0 kB
Swap:                  8 kB
VmFlags: rd wr mr mw me ac sd
7f1234000000-7f1234021000 rw-p 00000000 00:00 0
Rss:                  64 kB
AnonHugePages:        32 kB
7f1234021000-7f1238000000 ---p 00000000 00:00 0
Rss:                   0 kB
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
Rss:                  12 kB
7ffe00000000-7ffe00001000 rw-s 00000000 00:05 77         /dev/shm/a name with blanks (deleted)
Rss:                   4 kB
"""


def test_smaps_is_read_field_by_field():
    found = parse(SMAPS)
    assert [m.name for m in found] == ["[heap]", "", "", "[stack]", "/dev/shm/a name with blanks (deleted)"]
    assert found[0] == Mapping(
        0x55D0C0A00000, 0x55D0C0A21000, "rw-p", "[heap]", rss=100 * 1024, pss=90 * 1024, huge=0, swap=8 * 1024
    )
    assert found[1].is_anonymous
    assert not found[1].is_guard
    assert found[2].is_guard
    assert found[1].size == 0x21000


def test_the_parts_add_up():
    found = account_of((LIBC, *parse(SMAPS)))
    assert found.as_dict() == {
        allocator.MAIN_HEAP: 100 * 1024,
        allocator.THREAD_ARENAS: 64 * 1024,
        allocator.STACKS: 12 * 1024,
        allocator.SHARED: 4 * 1024,
        allocator.LIBRARIES: 4 * 1024,
    }
    assert sum(found.as_dict().values()) == found.rss
    assert (found.huge, found.swap, found.arena_heaps, found.stacks) == (32 * 1024, 8 * 1024, 1, 1)
    assert found.allocator == "glibc"


def heap(at: int, used: int, rss: int) -> tuple[Mapping, Mapping]:
    return Mapping(at, at + used, "rw-p", "", rss=rss), Mapping(at + used, at + HEAP, "---p", "")


def test_what_lies_below_a_heap_in_one_mapping_is_not_its_own():
    at = 0x7F1240000000
    merged = Mapping(at - 3 * MIB, at + MIB, "rw-p", "", rss=4 * MIB)
    rest = Mapping(at + MIB, at + HEAP, "---p", "")
    found = account_of((LIBC, merged, rest)).as_dict()
    assert found[allocator.THREAD_ARENAS] == MIB
    assert found[allocator.ANONYMOUS] == 3 * MIB


def test_a_full_heap_has_no_rest():
    at = 0x7F1240000000
    found = account_of((LIBC, Mapping(at, at + HEAP, "rw-p", "", rss=HEAP)))
    assert found.as_dict()[allocator.THREAD_ARENAS] == HEAP
    assert found.arena_heaps == 1


def test_a_stack_stands_on_its_guard():
    guard = Mapping(0x1000, 0x2000, "---p", "")
    stack = Mapping(0x2000, 0x802000, "rw-p", "", rss=40960)
    assert account_of((LIBC, guard, stack)).as_dict()[allocator.STACKS] == 40960
    apart = Mapping(0x3000, 0x803000, "rw-p", "", rss=40960)
    assert allocator.STACKS not in account_of((LIBC, guard, apart)).as_dict()


@pytest.mark.parametrize(
    ("name", "permissions", "expected"),
    [
        ("/usr/bin/python3.12", "r-xp", allocator.LIBRARIES),
        ("/usr/lib/libfoo.so.1.2", "r--p", allocator.LIBRARIES),
        ("/srv/data.bin", "rw-s", allocator.FILES),
        ("/usr/lib/locale/C.utf8", "r--p", allocator.FILES),
        ("/memfd:x (deleted)", "rw-s", allocator.SHARED),
        ("/dev/nvidia0", "rw-s", allocator.DEVICES),
        ("[vdso]", "r-xp", allocator.KERNEL),
        ("[anon:cpython:pymalloc]", "rw-p", allocator.PYMALLOC),
        ("[anon:other]", "rw-p", allocator.ANONYMOUS),
    ],
)
def test_what_each_mapping_is_for(name, permissions, expected):
    assert account_of((Mapping(0, 4096, permissions, name, rss=4096),)).as_dict() == {expected: 4096}


def test_other_allocators_have_no_glibc_arenas():
    jemalloc = Mapping(0x1000, 0x2000, "r-xp", "/usr/lib/libjemalloc.so.2", rss=4096)
    found = account_of((jemalloc, LIBC, *heap(0x7F1240000000, MIB, MIB)))
    assert found.allocator == "jemalloc"
    assert found.arena_heaps == 0
    assert found.as_dict()[allocator.ANONYMOUS] == MIB


def test_many_large_arenas_are_called_out():
    heaps = [m for i in range(6) for m in heap(0x7F1240000000 + i * HEAP, 40 * MIB, 30 * MIB)]
    assert account_of((LIBC, *heaps)).is_spread_over_arenas
    assert not account_of((LIBC, *heaps[:4])).is_spread_over_arenas


ARENAS = textwrap.dedent("""
    import sys, threading
    kept, ready = [], threading.Barrier(7)
    def fill():
        kept.append([b"x" * 100_000 for _ in range(100)])
        ready.wait()
        threading.Event().wait()
    for _ in range(6):
        threading.Thread(target=fill, daemon=True).start()
    ready.wait()
    print("READY", flush=True)
    sys.stdin.read()
""")


@pytest.fixture
def threaded():
    child = subprocess.Popen(
        [sys.executable, "-c", ARENAS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "READY\n"
        yield child.pid
    finally:
        child.kill()
        child.communicate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_real_process(threaded, missing):
    found = account(threaded)
    assert found is not None
    if found.allocator != "glibc":
        missing("glibc")
    assert found.rss == pytest.approx(psutil.Process(threaded).memory_full_info().rss, rel=0.1)
    assert sum(found.as_dict().values()) == found.rss
    assert found.stacks >= 7
    assert found.arena_heaps >= 4  # threads may share an arena that has become free
    assert 50 * MIB < found.as_dict()[allocator.THREAD_ARENAS] < 70 * MIB
    assert found.is_spread_over_arenas


def test_a_process_that_is_gone(monkeypatch):
    monkeypatch.setattr(mappings.procfs, "read", lambda path: None)
    assert account(os.getpid()) is None
