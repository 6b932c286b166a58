"""Record a process and all below it from its start: what the system says of them, and the marks that they set."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from leakaudit.errors import LeakAuditError
from leakaudit.marking import RECORDER
from leakaudit.process import record
from leakaudit.process.budget import Ledger
from leakaudit.process.milestones import Mark, Milestones
from leakaudit.process.monitor import Monitor
from leakaudit.process.procfs import PAGE
from leakaudit.process.sampler import Sampler
from leakaudit.process.selection import Selection

PACES = ((60.0, 0.1), (600.0, 0.5), (7200.0, 2.0))  # seconds since the start -> seconds from look to look
SLOWEST_S = 5.0
LARGEST_MARK = 4096
ALL_KEPT, THEN_EVERY_S = 100, 0.1  # of each process's marks

Write = Callable[[Mapping[str, Any]], None]


class Marks:
    """The socket that marks come in by; it must be open before the program starts, which learns of it by `environment`."""

    def __init__(self) -> None:
        self._key = secrets.token_hex(16)
        self._name = f"leakaudit-marks-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind("\0" + self._name)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return an environment whose programs send their marks here."""
        return {**given, RECORDER: f"{self._name} {self._key}"}

    def listen(self) -> Iterator[Mark]:
        """Yield marks until `close`."""
        while True:
            text = self._socket.recv(LARGEST_MARK).decode("utf-8", "replace")
            if not text:
                return
            parts = text.split("\n", 4)
            # Anybody on this machine can send to the socket; only the program knows the key.
            if len(parts) == 5 and secrets.compare_digest(parts[0].encode(), self._key.encode()):
                with suppress(ValueError):
                    yield Mark(float(parts[2]), int(parts[1]), parts[4], int(parts[3]))

    def close(self) -> None:
        """End `listen`, after what has come in already."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", "\0" + self._name)


class Recorder:
    """Looks at a process and its descendants in a thread of its own, and writes all that it sees.

    `every_s` 0 looks often at the start and less often later.
    """

    def __init__(self, pid: int, marks: Marks, write: Write, every_s: float = 0.0) -> None:
        self._write, self._every_s = write, every_s
        self._marks = marks
        sampler = Sampler(detail_share=0.02)
        self.monitor = Monitor(Selection(sampler.reader, (pid,), children=True), sampler, Ledger(()))
        self.milestones = Milestones(_rss)
        self._over = threading.Event()
        self._kept: dict[int, tuple[int, float]] = {}
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._look, self._listen)]

    def start(self) -> None:
        """Begin; a process that has ended already is no error."""
        with suppress(LeakAuditError):
            self.monitor.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, when the last marks are in."""
        self._over.set()
        self._marks.close()
        for thread in self._threads:
            thread.join()

    def _look(self) -> None:
        began = time.monotonic()
        due = began
        while True:
            self._write_moment()
            due = max(due + self._pace(time.monotonic() - began), time.monotonic())
            if self._over.wait(due - time.monotonic()):
                return

    def _pace(self, age_s: float) -> float:
        return self._every_s or next((pace for until, pace in PACES if age_s < until), SLOWEST_S)

    def _write_moment(self) -> None:
        moment = self.monitor.look()
        t = time.monotonic()
        for item in record.moment(moment):
            kind = item.pop("kind")
            if kind in ("came", "gone", "sample"):
                name = "process" if kind == "sample" else f"process-{kind}"
                self._write({"record": name, "t": t, **item})

    def _listen(self) -> None:
        for mark in self._marks.listen():
            rss = self.milestones.add(mark)
            if self._worth_keeping(mark):
                self._write(
                    {
                        "record": "mark",
                        "t": mark.t,
                        "pid": mark.pid,
                        "text": mark.text,
                        "rss": rss,
                        "lost": mark.lost,
                    }
                )

    def _worth_keeping(self, mark: Mark) -> bool:
        """Tell whether a mark belongs into the file: a program may set one per request."""
        count, last = self._kept.get(mark.pid, (0, 0.0))
        if count >= ALL_KEPT and mark.t - last < THEN_EVERY_S:
            return False
        self._kept[mark.pid] = (count + 1, mark.t)
        return True


def _rss(pid: int) -> float | None:
    try:
        descriptor = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fields = os.read(descriptor, 128).split()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return float(fields[1]) * PAGE if len(fields) > 1 else None
