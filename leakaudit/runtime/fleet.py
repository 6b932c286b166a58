"""Audit a process and all Python processes below it: an audit in a thread for each, and one report on all."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from leakaudit.errors import AttachError, LeakAuditError, NotPythonError
from leakaudit.findings.fleet import together
from leakaudit.findings.report import Report
from leakaudit.process.sampler import system_reader
from leakaudit.process.selection import YOUNG_S, descendants
from leakaudit.runtime.audit import Options, audit, way_to
from leakaudit.runtime.conclude import conclude
from leakaudit.runtime.session import Session

if TYPE_CHECKING:
    from leakaudit.process.sample import Stat
    from leakaudit.runtime.audit import Progress
    from leakaudit.runtime.session import Record

MOST = 32  # processes in one audit
LOOK_S = 1.0
LEAST_S = 10.0  # to watch a process that came later for less would tell nothing
WAIT_S = 0.1

Scan = Callable[[Sequence[Path]], Report]


def audit_tree(
    pid: int,
    scan: Scan,
    options: Options | None = None,
    progress: Progress = lambda *_: None,
    heard: Callable[[int], Callable[[Record], object] | None] = lambda _: None,
) -> Report:
    """Audit a process and its descendants at the same time; raises LeakAuditError when none of them can be.

    Only one of them at a time is attached to or copied. Each keeps a session of its own, `options.session` with its
    pid behind. Ctrl-C ends all of them and reports. `heard` returns for a process who is told of its session's records,
    each in that audit's thread.
    """
    return _Tree(pid, scan, options or Options(), progress, heard).run()


class _Member(threading.Thread):
    """The audit of one process."""

    def __init__(self, tree: _Tree, stat: Stat, options: Options) -> None:
        super().__init__(name=f"audit of {stat.pid}", daemon=True)
        self.tree, self.pid, self.started, self.options = tree, stat.pid, stat.started, options
        self.path = options.session and options.session.with_name(f"{options.session.name}.{stat.pid}")
        self.session = Session(self.path, tree.heard(stat.pid))
        self.stage = ("attach", 0.0, 1.0)
        self.report: Report | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.report = audit(
                self.pid, self.tree.scanned, self.options, self._step, self.session, turn=self.tree.turn
            )
        except BaseException as error:  # told, or raised again, by the thread that waits
            self.error = error
        if self.path is not None and self.session.first("attached") is None:
            self.path.unlink(missing_ok=True)

    def _step(self, phase: str, done: float, total: float) -> None:
        self.stage = (phase, done, total)
        if self.tree.over.is_set() and phase != "census":
            raise KeyboardInterrupt


class _Tree:
    def __init__(
        self,
        pid: int,
        scan: Scan,
        options: Options,
        progress: Progress,
        heard: Callable[[int], Callable[[Record], object] | None],
    ) -> None:
        self.root, self._scan, self.progress, self.heard = pid, scan, progress, heard
        self.options = replace(options, needs_source=False)
        self.turn, self.over = threading.Lock(), threading.Event()
        self.members: list[_Member] = []
        self.notes: list[str] = []
        self._reader = system_reader()
        self._reports: dict[tuple[Path, ...], Report] = {}
        self._known: set[tuple[int, float]] = set()
        self._began = time.monotonic()
        self._look_at = self._began + LOOK_S
        self._left_out = 0
        self._late: list[int] = []

    def run(self) -> Report:
        table = self._reader.table()
        if self.root not in table:
            raise AttachError(f"there is no process {self.root}", "look the pid up again")
        refused = list(self._join(self._members(table)))
        if not self.members:
            raise refused[0] if refused else AttachError(f"process {self.root} has ended")
        self.notes += [str(error.cause) for error in refused if not isinstance(error, NotPythonError)]
        self._wait()
        return self._conclude()

    def scanned(self, paths: Sequence[Path]) -> Report:
        """Scan what a process runs, once for all that run the same."""
        key = tuple(paths)
        with self.turn:  # a scan may start processes: not while another thread does the same
            if key not in self._reports:
                self._reports[key] = self._scan(paths) if paths else Report("scan", ())
            return self._reports[key]

    def _members(self, table: dict[int, Stat]) -> list[Stat]:
        """Return the root and all below it that are alive and not yet known; what we run ourselves is left out."""
        found = [self.root, *sorted(descendants({self.root}, table))]
        ours = {os.getpid(), *descendants({os.getpid()}, table)} if os.getpid() in found else set()
        stats = [table[pid] for pid in found if pid in table and pid not in ours]
        return [s for s in stats if not s.is_zombie and (s.pid, s.started) not in self._known]

    def _join(self, stats: Sequence[Stat], duration_s: float | None = None) -> Iterator[AttachError]:
        """Start the audits; yield why some of the processes cannot be audited."""
        for stat in stats:
            self._known.add((stat.pid, stat.started))
            try:
                way_to(stat.pid, self.options)
            except AttachError as error:
                yield error
                continue
            if len(self.members) == MOST:
                self._left_out += 1
                continue
            wanted = replace(self.options, duration_s=duration_s or self.options.duration_s)
            member = _Member(self, stat, wanted)
            self.members.append(member)
            member.start()

    def _wait(self) -> None:
        """Wait until all audits have ended, and look meanwhile for processes that come."""
        while any(member.is_alive() for member in self.members):
            self._wait_a_little()

    def _wait_a_little(self) -> None:
        try:
            time.sleep(WAIT_S)
            self._tell()
            if time.monotonic() > self._look_at and not self.over.is_set():
                self._look_at = time.monotonic() + LOOK_S
                self._look()
        except KeyboardInterrupt:
            if self.over.is_set():
                raise
            self.over.set()

    def _tell(self) -> None:
        stages = [member.stage for member in self.members if member.is_alive()]
        watched = [stage for stage in stages if stage[0] == "watch"]
        stage = min(watched, key=lambda stage: stage[1] / stage[2]) if watched else next(iter(stages), None)
        if stage is not None:
            self.progress(*stage)

    def _look(self) -> None:
        """Let processes join that came since; copies of the target are gone when nobody else has the turn."""
        if not self.turn.acquire(blocking=False):
            return
        try:
            found = self._members(self._reader.table())
        finally:
            self.turn.release()
        now = time.monotonic() - self._began
        left_s = self.options.duration_s - now
        for stat in found:
            if time.time() - stat.started < YOUNG_S:
                continue
            before = len(self.members)
            if left_s < LEAST_S:
                self._known.add((stat.pid, stat.started))
                self._note_late(stat.pid)
            elif not list(self._join([stat], left_s)) and len(self.members) > before:
                self.notes.append(f"process {stat.pid} came later and was watched from {now:.0f} s on")

    def _note_late(self, pid: int) -> None:
        try:
            way_to(pid, self.options)
        except AttachError:
            return
        self._late.append(pid)

    def _conclude(self) -> Report:
        for member in self.members:
            if member.error is not None:
                self._note_failure(member, member.error)
        done = sorted((member for member in self.members if member.report), key=lambda member: member.pid)
        if not done:
            raise self.members[0].error or AttachError("no process could be audited")
        if self._left_out:
            self.notes.append(
                f"{self._left_out} more Python processes were left out: {MOST} are watched at most"
            )
        for note in self.notes:
            done[0].session.add("tree", text=note)
        reports = [conclude(done[0].session), *(m.report for m in done[1:] if m.report is not None)]
        for member in self.members:
            member.session.close()
        return together(reports)

    def _note_failure(self, member: _Member, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            text = "the audit was interrupted before it was watched"
        elif isinstance(error, LeakAuditError):
            text = error.cause
        else:
            raise error
        self.notes.append(f"process {member.pid} is not in the sums: {text}")
