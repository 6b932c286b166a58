"""Audit a process from outside: its vitals, and the lengths of the containers that its modules name."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakaudit.errors import AttachError
from leakaudit.report.json_v1 import document
from leakaudit.runtime.attach import procfs
from leakaudit.runtime.attach.preflight import look
from leakaudit.runtime.conclude import conclude, findings_of
from leakaudit.runtime.limits import note_limits
from leakaudit.runtime.memory import seen_outside
from leakaudit.runtime.options import Options, Progress, begin
from leakaudit.runtime.passive.finder import OUT_OF_REACH, Finder, Unfound
from leakaudit.runtime.passive.layout import read_layout
from leakaudit.runtime.passive.objects import Objects
from leakaudit.runtime.source import as_seen_there, installed_source, own_source
from leakaudit.runtime.vitals import Vitals

if TYPE_CHECKING:
    from leakaudit.findings.model import Finding
    from leakaudit.findings.report import Report
    from leakaudit.runtime.attach.target import Target
    from leakaudit.runtime.session import Session

METHOD = "passive"
POLL_S = 0.05

Scan = Callable[[Sequence[Path]], "Report"]


def why_not(target: Target) -> str:
    """Return why no containers of a process can be read from outside; "" where they can."""
    try:
        with procfs.Memory(target.pid) as memory:
            layout = read_layout(memory, target.runtime, target.version)
            if isinstance(layout, str):
                return layout
            Finder(Objects(memory, layout)).files()
    except OSError as error:
        return f"its memory cannot be read: {error.strerror or error}"
    return ""


def worth_looking(pid: int) -> bool:
    """Tell whether a process that cannot be gone into runs on, and tells outsiders what its containers hold."""
    try:
        target = look(pid)
        return procfs.state(pid) not in "Tt" and not why_not(target)
    except (AttachError, OSError):
        return False


def audit_outside(
    pid: int, scan: Scan, options: Options, progress: Progress, session: Session, *, why: str = ""
) -> Report:
    """Watch a process without touching it and return the report; raises AttachError when it cannot be looked at.

    `why` says what keeps us from going into it.
    """
    target = look(pid)
    if not session.records:
        begin(session, pid, target.argv, options)
    session.add(
        "attached",
        method=METHOD,
        mode="outside",
        pause_ms=0.0,
        latency_ms=0.0,
        python=".".join(map(str, target.version or ())),
    )
    if why:
        session.add("note", text=f"it was only watched from outside: {why}")
    with contextlib.ExitStack() as stack:
        finder = _finder(target, stack, session)
        return _Watch(target, finder, scan, options, progress, session=session).run()


def _finder(target: Target, stack: contextlib.ExitStack, session: Session) -> Finder | None:
    refusal = why_not(target)
    if refusal:
        session.add("note", text=f"no containers were read: {refusal}")
        return None
    memory = stack.enter_context(procfs.Memory(target.pid))
    layout = read_layout(memory, target.runtime, target.version)
    return None if isinstance(layout, str) else Finder(Objects(memory, layout))


class _Watch:
    def __init__(
        self,
        target: Target,
        finder: Finder | None,
        scan: Scan,
        options: Options,
        progress: Progress,
        *,
        session: Session,
    ) -> None:
        self.target, self.finder, self.scan = target, finder, scan
        self.options, self.progress, self.session = options, progress, session
        self.vitals = Vitals(target.pid)
        self.findings: tuple[Finding, ...] = ()

    def run(self) -> Report:
        self._scan()
        began = time.monotonic()
        reason = ""
        try:
            self._watch(began)
        except KeyboardInterrupt:
            reason = f"interrupted after {time.monotonic() - began:.0f} s"
        if self._alive():
            self._sample()
            self._end()
        else:
            reason = f"the target ended after {time.monotonic() - began:.0f} s"
        self.session.add("end", reason=reason)
        return conclude(self.session)

    def _alive(self) -> bool:
        return procfs.is_running(self.target.pid, self.target.start_time)

    def _scan(self) -> None:
        files = self.finder.files() if self.finder is not None else {}
        place = self.target.cwd, self.target.root
        paths = self.options.source or own_source(files, *place)
        if self.options.dependencies:
            paths += installed_source(files, *place)
        if not paths:
            return
        self.progress("scan", 0, len(paths))
        report = as_seen_there(self.scan(paths), self.target.root)
        self.session.add("scan", paths=[str(path) for path in paths], report=document(report))
        self.findings = findings_of(self.session)

    def _watch(self, began: float) -> None:
        end, due = began + self.options.duration_s, began
        while time.monotonic() < end and self._alive():
            if time.monotonic() >= due:
                self._sample()
                due = max(due + self.options.pace_s, time.monotonic())
            self.progress("watch", time.monotonic() - began, self.options.duration_s)
            time.sleep(POLL_S)

    def _sample(self) -> None:
        figures = self.vitals.take()
        if figures is None:
            return
        now = time.monotonic()
        self.session.add("vitals", t=now, **figures)
        rows, unresolved = self._rows()
        self.session.add(
            "sample",
            t=now,
            blocks=0,
            threads=figures["threads"],
            probes=rows,
            unresolved=unresolved,
            types=None,
            partial="",
            pause_ms=0.0,
            cpu_ms=0.0,
            bytes=0,
        )

    def _rows(self) -> tuple[list[list[Any]], dict[str, str]]:
        unresolved: dict[str, str] = {}
        rows = [self._row(number, finding, unresolved) for number, finding in enumerate(self.findings)]
        return [row for row in rows if row], unresolved

    def _row(self, number: int, finding: Finding, unresolved: dict[str, str]) -> list[Any]:
        """Return what one finding's container holds; nothing if it changes too fast just now, or is unresolved."""
        try:
            if self.finder is None or finding.probe is None:
                raise Unfound(OUT_OF_REACH)
            found = self.finder.look(finding.probe)
        except Unfound as error:
            unresolved[str(number)] = str(error)
            return []
        except OSError:
            return []
        return [number, 1, found.entries, found.nested, found.entries, 0, found.limit, found.mark, True]

    def _end(self) -> None:
        if found := seen_outside(self.target.pid):
            self.session.add("memory", **found)
        note_limits(self.session, self.target.pid, self.options.budget, self.vitals.take())
