"""Sample many processes often, at a bounded cost of our own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Protocol

from leakaudit.process.sample import Details, Sample, Stat

TABLE_EVERY_S = 2.0
DETAIL_SHARE = 0.01  # of one core: what reading descriptors and page tables may cost


class Reader(Protocol):
    """Where the figures come from."""

    def stat(self, pid: int) -> Stat | None:
        """Return the cheap figures of one process, None if it is gone."""

    def table(self) -> dict[int, Stat]:
        """Return the cheap figures of every process."""

    def command(self, pid: int) -> tuple[str, ...]:
        """Return the command line."""

    def details(self, pids: Iterable[int]) -> dict[int, Details]:
        """Return the costlier figures."""


def system_reader() -> Reader:
    """Return the reader for this operating system."""
    if sys.platform.startswith("linux"):
        from leakaudit.process.linux import ProcReader

        return ProcReader()
    from leakaudit.process.portable import PsutilReader

    return PsutilReader()


def take(pid: int, reader: Reader | None = None) -> Sample | None:
    """Sample one process with everything fresh, None if it is gone or a zombie."""
    return Sampler(reader, detail_share=float("inf")).take((pid,)).get(pid)


class Sampler:
    """Take samples of a set of processes; costly figures are renewed in turn, within `detail_share` of one core."""

    def __init__(self, reader: Reader | None = None, detail_share: float = DETAIL_SHARE) -> None:
        self.reader = reader or system_reader()
        self._share = detail_share
        self._credit_s = 0.0
        self._last: float | None = None
        self._table: dict[int, Stat] = {}
        self._table_at = float("-inf")
        self._details: dict[int, tuple[float, Details]] = {}

    def table(self) -> dict[int, Stat]:
        """Return all processes as seen at most two seconds ago."""
        now = time.monotonic()
        if now - self._table_at >= TABLE_EVERY_S:
            self._table, self._table_at = self.reader.table(), now
        return self._table

    def take(self, pids: Iterable[int]) -> dict[int, Sample]:
        """Return pid -> sample of those that are alive."""
        stats = {pid: stat for pid in pids if (stat := self.reader.stat(pid)) and not stat.is_zombie}
        self._forget({pid: stat.started for pid, stat in stats.items()})
        self._renew(stats)
        family = self._family(stats)
        now = time.time()
        return {pid: Sample(now, stat, *family[pid], self._details[pid][1]) for pid, stat in stats.items()}

    def _family(self, stats: dict[int, Stat]) -> dict[int, tuple[int, int]]:
        counts = dict.fromkeys(stats, (0, 0))
        for stat in self.table().values():
            if stat.parent in counts:
                children, zombies = counts[stat.parent]
                counts[stat.parent] = (children + 1, zombies + stat.is_zombie)
        return counts

    def _forget(self, alive: dict[int, float]) -> None:
        # A pid that starts at another moment is another process.
        self._details = {p: known for p, known in self._details.items() if alive.get(p) == known[0]}

    def _renew(self, stats: dict[int, Stat]) -> None:
        now = time.monotonic()
        if self._last is not None:
            self._credit_s = min(self._credit_s + (now - self._last) * self._share, 1.0)
        self._last = now
        missing = [pid for pid in stats if pid not in self._details]
        self._read(missing, stats)
        known = sorted((pid for pid in stats if pid not in missing), key=lambda p: self._details[p][1].time)
        if self._share == float("inf"):
            self._read(known, stats)
            return
        spent = time.thread_time()
        # All at once shares the socket table; in turns of eight it stays within the credit.
        for start in range(0, len(known), 8):
            if self._credit_s <= 0:
                break
            self._read(known[start : start + 8], stats)
            self._credit_s -= time.thread_time() - spent
            spent = time.thread_time()

    def _read(self, pids: list[int], stats: dict[int, Stat]) -> None:
        for pid, details in self.reader.details(pids).items():
            self._details[pid] = (stats[pid].started, details)
