"""Read what /proc says about one process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of /proc/PID/maps; `path` is as the target sees it, empty for anonymous memory."""

    start: int
    end: int
    permissions: str
    offset: int
    path: str


def read_maps(pid: int) -> tuple[Mapping, ...]:
    """List the memory mappings of a process; raises OSError."""
    return tuple(
        _mapping(line) for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines()
    )


def _mapping(line: str) -> Mapping:
    span, permissions, offset, _device, _inode, *path = line.split(None, 5)
    start, _, end = span.partition("-")
    return Mapping(int(start, 16), int(end, 16), permissions, int(offset, 16), path[0] if path else "")


def read_status(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status; raises OSError."""
    lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def start_time(pid: int) -> int:
    """Return when the process started, in clock ticks since boot; raises OSError."""
    return int(_stat(pid)[19])


def state(pid: int) -> str:
    """Return what the process's main thread does, in the kernel's one letter; raises OSError."""
    return _stat(pid)[0]


def wait_channel(pid: int) -> str:
    """Return the kernel function in which the main thread waits, "0" where that is not told; raises OSError."""
    return Path(f"/proc/{pid}/wchan").read_text()


def waits_begun(pid: int) -> int:
    """Return how often the main thread gave its processor away to wait; raises OSError."""
    return int(read_status(pid)["voluntary_ctxt_switches"])


def has_ended(pid: int) -> bool:
    """Tell whether the process is gone, or remains only for its parent to collect."""
    try:
        return _stat(pid)[0] in "ZXx"
    except OSError:
        return True


def is_running(pid: int, started: int) -> bool:
    """Tell whether the process that began at `started` still runs."""
    try:
        stat = _stat(pid)
    except OSError:
        return False
    return stat[0] not in "ZXx" and int(stat[19]) == started


def _stat(pid: int) -> list[str]:
    # The command name may hold spaces and parentheses, so the fields count from its last parenthesis.
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


class Memory:
    """The memory of another process, through /proc/PID/mem; raises OSError where it cannot be reached."""

    def __init__(self, pid: int, *, writable: bool = False) -> None:
        self._fd = os.open(f"/proc/{pid}/mem", (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def read(self, address: int, size: int) -> bytes:
        """Return exactly `size` bytes, or raise OSError."""
        data = os.pread(self._fd, size, address)
        if len(data) != size:
            raise OSError(f"{size} bytes at {address:#x}: only {len(data)} are mapped")
        return data

    def write(self, address: int, data: bytes) -> None:
        """Write all of `data`, or raise OSError."""
        if os.pwrite(self._fd, data, address) != len(data):
            raise OSError(f"{len(data)} bytes at {address:#x} cannot be written")
