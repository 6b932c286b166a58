"""Read processes through psutil, where there is no /proc. Denied and vanished both read as None."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

from leakaudit.process.logs import is_log, size_of
from leakaudit.process.sample import Descriptors, Details, OpenLog, Private, Stat

ATTRIBUTES = ["pid", "ppid", "name", "status", "create_time", "cpu_times", "num_threads", "memory_info"]


class PsutilReader:
    """The reader for macOS, Windows and the BSDs: no queues, no cgroups."""

    def stat(self, pid: int) -> Stat | None:
        """Return the cheap figures of one process, None if it is gone."""
        try:
            return _stat(psutil.Process(pid).as_dict(ATTRIBUTES))
        except psutil.Error:
            return None

    def table(self) -> dict[int, Stat]:
        """Return the cheap figures of every process that can be seen."""
        return {process.pid: _stat(process.info) for process in psutil.process_iter(ATTRIBUTES)}

    def command(self, pid: int) -> tuple[str, ...]:
        """Return the command line, empty where it cannot be read."""
        try:
            return tuple(psutil.Process(pid).cmdline())
        except psutil.Error:
            return ()

    def details(self, pids: Iterable[int]) -> dict[int, Details]:
        """Return the costlier figures of each process."""
        return {pid: _details(pid) for pid in pids}


def _stat(info: dict[str, object]) -> Stat:
    def number(key: str, field: str) -> float:
        return float(getattr(info[key], field, 0) or 0)

    return Stat(
        pid=int(str(info["pid"])),
        parent=int(str(info["ppid"] or 0)),
        name=str(info["name"] or ""),
        state="Z" if info["status"] == psutil.STATUS_ZOMBIE else "S",
        started=float(str(info["create_time"] or 0)),
        cpu_s=number("cpu_times", "user") + number("cpu_times", "system"),
        threads=int(str(info["num_threads"] or 0)),
        rss=int(number("memory_info", "rss")),
    )


def _details(pid: int) -> Details:
    now = time.time()
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return Details(now)
    return Details(now, private=_private(process), descriptors=_descriptors(process), logs=_logs(process))


def _private(process: psutil.Process) -> Private | None:
    try:
        full = process.memory_full_info()
    except (psutil.Error, OSError):
        return None
    return Private(uss=full.uss, pss=getattr(full, "pss", full.uss), swap=getattr(full, "swap", 0))


def _descriptors(process: psutil.Process) -> Descriptors | None:
    try:
        sockets, files = len(process.net_connections("all")), len(process.open_files())
        total = process.num_fds() if hasattr(process, "num_fds") else sockets + files
    except (psutil.Error, OSError):
        return None
    return Descriptors(sockets=sockets, files=files, other=max(0, total - sockets - files))


def _logs(process: psutil.Process) -> tuple[OpenLog, ...] | None:
    try:
        paths = {f.path for f in process.open_files() if is_log(f.path)}
        return tuple(OpenLog(path, size_of(path)) for path in sorted(paths))
    except (psutil.Error, OSError):
        return None
