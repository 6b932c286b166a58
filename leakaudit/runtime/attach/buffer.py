"""A piece of the target's memory that holds the source until the interpreter has run it.

One buffer per target is mapped at an address of our own and used again by the next attach, so a target that is
attached to a thousand times keeps one buffer, not a thousand.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from leakaudit.runtime.attach.elf import PAGE
from leakaudit.runtime.attach.procfs import Memory, read_maps

if TYPE_CHECKING:
    from leakaudit.runtime.attach.stopped import StoppedThread

_HOME = 0x1EA4_A0D1_7000
_MIN_SIZE = 16 * PAGE
_READ_WRITE = 3
_PRIVATE_ANONYMOUS, _FIXED_NOREPLACE = 0x22, 0x100000
_HEADER = struct.Struct("<16sQQ")
_MAGIC = b"leakaudit buffer"
_FREE, _BUSY = 0, 1


def place(thread: StoppedThread, line: bytes) -> int:
    """Put one line of source into the target and return its address; raises OSError, TraceError."""
    content = line + b"\0"
    needed = -(-(_HEADER.size + len(content)) // PAGE) * PAGE
    base = _HOME if _is_free(thread, needed) else _map(thread, max(needed, _MIN_SIZE))
    thread.memory.write(base + _HEADER.size, content)
    return base + _HEADER.size


def withdraw(pid: int, address: int) -> None:
    """Turn the source into a comment, so that it does nothing if it is run later; raises OSError."""
    # One byte, because the target may be reading the line at this moment.
    with Memory(pid, writable=True) as memory:
        memory.write(address, b"#")


def free(thread: StoppedThread, address: int) -> None:
    """Mark the buffer as free in the stop that placed its source; raises OSError."""
    thread.memory.write(address - 8, struct.pack("<Q", _FREE))


def release(pid: int, address: int) -> None:
    """Mark the buffer as free for the next attach; only after its source has begun to run. Raises OSError."""
    with Memory(pid, writable=True) as memory:
        memory.write(address - 8, struct.pack("<Q", _FREE))


def _is_free(thread: StoppedThread, needed: int) -> bool:
    home = next((mapping for mapping in read_maps(thread.tid) if mapping.start == _HOME), None)
    if home is None or home.path or not home.permissions.startswith("rw-p"):
        return False
    magic, size, state = _HEADER.unpack(thread.memory.read(_HOME, _HEADER.size))
    if magic != _MAGIC or state != _FREE or size < needed:
        return False
    thread.memory.write(_HOME + _HEADER.size - 8, struct.pack("<Q", _BUSY))
    return True


def _map(thread: StoppedThread, size: int) -> int:
    arguments = (size, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
    try:
        base = thread.syscall("mmap", _HOME, size, _READ_WRITE, _PRIVATE_ANONYMOUS | _FIXED_NOREPLACE, -1, 0)
    except (
        OSError
    ):  # something lies there already: an earlier source that never ran, or memory of the target's
        base = thread.syscall("mmap", 0, *arguments)
    thread.memory.write(base, _HEADER.pack(_MAGIC, size, _BUSY))
    return base
