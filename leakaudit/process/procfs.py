"""Read processes from Linux's /proc. A vanished process and a denied file both read as None, never as an error."""

# ruff: noqa: PERF203, PTH115, PTH208 (read for many processes every second: a Path for each costs more than the call)

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from leakaudit.process.logs import is_log, size_of
from leakaudit.process.sample import Descriptors, OpenLog, Private, Stat

# Elsewhere than on Unix this module is imported, but never asked.
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
DELETED = " (deleted)"


def read(path: str) -> bytes | None:
    """Return a file's bytes, None if it is gone or denied."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while part := os.read(fd, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(fd)


@lru_cache(maxsize=1)
def boot_time() -> float:
    """Return when the machine started, in Unix seconds."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def stat(pid: int) -> Stat | None:
    """Return the cheap figures of one process, None if it is gone."""
    raw = read(f"/proc/{pid}/stat")
    if not raw:
        return None
    head, _, tail = raw.rpartition(b")")  # the name may hold blanks and parentheses
    fields = tail.split()
    return Stat(
        pid=pid,
        parent=int(fields[1]),
        name=head.partition(b"(")[2].decode(errors="replace"),
        state=fields[0].decode(),
        started=boot_time() + int(fields[19]) / TICKS_PER_S,
        cpu_s=(int(fields[11]) + int(fields[12])) / TICKS_PER_S,
        threads=int(fields[17]),
        rss=int(fields[21]) * PAGE,
    )


def pids() -> tuple[int, ...]:
    """Return the ids of all processes that this one can see."""
    return tuple(int(name) for name in os.listdir("/proc") if name.isdigit())


def command(pid: int) -> tuple[str, ...]:
    """Return the command line, empty for kernel threads, zombies and vanished processes."""
    raw = read(f"/proc/{pid}/cmdline") or b""
    return tuple(raw.rstrip(b"\0").decode(errors="replace").split("\0")) if raw.strip(b"\0") else ()


def private(pid: int) -> Private | None:
    """Return USS, PSS and swap; None if denied. The kernel walks all pages: milliseconds per GB."""
    raw = read(f"/proc/{pid}/smaps_rollup")
    if not raw:
        return None
    kib = {key: int(value.split()[0]) for key, _, value in _fields(raw)}
    uss = kib.get("Private_Clean", 0) + kib.get("Private_Dirty", 0) + kib.get("Private_Hugetlb", 0)
    return Private(uss=uss * 1024, pss=kib.get("Pss", 0) * 1024, swap=kib.get("Swap", 0) * 1024)


def _fields(raw: bytes) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in raw.decode().splitlines() if line.endswith(" kB")]


def links(pid: int) -> tuple[tuple[str, str], ...] | None:
    """Return (descriptor, what it points at) of every open descriptor, None if denied or gone."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    found = []
    for name in names:
        try:
            found.append((name, os.readlink(f"{folder}/{name}")))
        except OSError:  # closed between the two calls
            continue
    return tuple(found)


def descriptors(found: tuple[tuple[str, str], ...]) -> Descriptors:
    """Count links by kind."""
    sockets = files = pipes = other = 0
    for _, goal in found:
        if goal.startswith("socket:"):
            sockets += 1
        elif goal.startswith("pipe:"):
            pipes += 1
        elif goal.startswith("/") and not goal.startswith("/dev/"):
            files += 1
        else:
            other += 1
    return Descriptors(sockets=sockets, files=files, pipes=pipes, other=other)


def socket_inodes(found: tuple[tuple[str, str], ...]) -> frozenset[int]:
    """Return the inode numbers of the sockets among links."""
    return frozenset(int(goal[8:-1]) for _, goal in found if goal.startswith("socket:["))


def logs(pid: int, found: tuple[tuple[str, str], ...]) -> tuple[OpenLog, ...]:
    """Return the log files among links, each once."""
    result = {}
    for fd, goal in found:
        path = goal.removesuffix(DELETED)
        if path in result or not is_log(path):
            continue
        size = size_of(f"/proc/{pid}/fd/{fd}")  # through the descriptor: right in other roots too
        result[path] = OpenLog(path, size, deleted=goal.endswith(DELETED))
    return tuple(result.values())
