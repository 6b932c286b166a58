"""A process and all that descend from it, sampled from outside."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from leakaudit.process import procfs
from leakaudit.process.compare.orphans import reap
from leakaudit.process.sample import Stat
from leakaudit.process.sampler import Reader, system_reader
from leakaudit.process.selection import descendants

FIND_EVERY_S = 0.25  # a look at all processes of the machine costs about 15 us for each
HIGH_WATER = re.compile(rb"VmHWM:\s*(\d+) kB")

Figure = Callable[[Reader, Stat], int]


def rss(_: Reader, stat: Stat) -> int:
    """Resident bytes; pages that several processes share count for each."""
    return stat.rss


def pss(reader: Reader, stat: Stat) -> int:
    """Bytes with shared pages divided by their users; rss where they can't be read. The kernel walks all pages."""
    details = reader.details((stat.pid,)).get(stat.pid)
    return details.private.pss if details and details.private else stat.rss


#: Name for `--memory` -> how to read it.
FIGURES: dict[str, Figure] = {"rss": rss, "pss": pss}


class Tree:
    """Follows a process that leads a session, its descendants, all others of the session, and orphans that we adopted.

    Every child of ours that started after the root counts as adopted: runs come one at a time.
    """

    def __init__(self, root: int, figure: Figure = rss, reader: Reader | None = None) -> None:
        self._reader = reader or system_reader()
        self._figure = figure
        self._root = root
        self._known: dict[int, float] = {}
        self._found_at = float("-inf")
        stat = self._reader.stat(root)
        self._since = stat.started if stat else float("inf")
        if stat:
            self._known[root] = stat.started

    def look(self) -> tuple[int, int, int]:
        """Return the bytes of all together, how many there are, and the most that any one has held (0: not known)."""
        now = time.monotonic()
        if now - self._found_at >= FIND_EVERY_S:
            self._found_at = now
            self.find()
        alive = [stat for pid in self._known if (stat := self._alive(pid))]
        total = sum(self._figure(self._reader, stat) for stat in alive)
        return total, len(alive), max((_high_water(stat.pid) for stat in alive), default=0)

    def find(self) -> None:
        """Learn of new descendants, forget who has gone."""
        table = self._reader.table()
        alive = {
            pid for pid, started in self._known.items() if pid in table and table[pid].started == started
        }
        mates = {pid for pid in table if _session(pid) == self._root}  # whose parents may have gone unseen
        ours = {pid for pid, s in table.items() if s.parent == os.getpid() and s.started >= self._since}
        roots = alive | mates | ours
        found = roots | set(descendants(roots, table))
        self._known = {pid: table[pid].started for pid in found}

    def signal(self, number: int) -> None:
        """Send a signal to each that is still the process that we met."""
        for pid in self._known:
            if self._alive(pid):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)

    @property
    def adopted(self) -> tuple[int, ...]:
        """All that are known but the root."""
        return tuple(pid for pid in self._known if pid != self._root)

    @property
    def empty(self) -> bool:
        """Whether none is left."""
        return not any(self._alive(pid) for pid in self._known)

    def _alive(self, pid: int) -> Stat | None:
        stat = self._reader.stat(pid)
        return stat if stat and stat.started == self._known[pid] and not stat.is_zombie else None


def end(tree: Tree, patience_s: float) -> None:
    """End all of a tree: SIGTERM, a bounded wait, then SIGKILL. Reaps what we adopted; the root is its starter's."""
    tree.find()
    tree.signal(signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while not tree.empty and time.monotonic() < deadline:
        time.sleep(0.01)
    tree.find()
    tree.signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    while not tree.empty and time.monotonic() < deadline + patience_s:
        time.sleep(0.01)
    reap(tree.adopted)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (OSError, AttributeError):
        return None


def _high_water(pid: int) -> int:
    # Not ru_maxrss: a child that vfork made starts with its parent's.
    if not sys.platform.startswith("linux"):
        return 0
    match = HIGH_WATER.search(procfs.read(f"/proc/{pid}/status") or b"")
    return int(match[1]) * 1024 if match else 0
