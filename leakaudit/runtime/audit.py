"""Audit a live process: attach, scan its source, watch what the findings name, and conclude."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from leakaudit.errors import AttachError, LeakAuditError, UsageError
from leakaudit.findings.model import ProbeKind
from leakaudit.report.json_v1 import document
from leakaudit.runtime.attach import procfs
from leakaudit.runtime.attach.ladder import reach
from leakaudit.runtime.attach.preflight import look
from leakaudit.runtime.conclude import conclude, findings_of
from leakaudit.runtime.copies import Copies
from leakaudit.runtime.declared import Sources
from leakaudit.runtime.limits import note_limits
from leakaudit.runtime.link import POLL_S, Link, attach
from leakaudit.runtime.memory import seen_outside
from leakaudit.runtime.options import Options, Progress, begin
from leakaudit.runtime.passive.watch import audit_outside, worth_looking
from leakaudit.runtime.session import Session
from leakaudit.runtime.source import (
    as_seen_there,
    in_package,
    installed_source,
    own_source,
    seen_here,
    source_of,
    standard_library,
)
from leakaudit.runtime.unexplained import own_files
from leakaudit.runtime.vitals import Vitals

if TYPE_CHECKING:
    from leakaudit.findings.report import Report
    from leakaudit.runtime.attach.injector import Injector
    from leakaudit.runtime.attach.target import Target
    from leakaudit.runtime.session import Record

ANSWER_S = 60.0  # a target whose threads fight for the interpreter lock answers late
COUNTS = 5  # parts of the time of watching, at whose ends copies count where samples cannot
RECLAIM = Path(__file__).with_name("reclaim.py")
OVERHEAD_S = 900.0  # what attach, scan and censuses may take beside the watching
NO_TURN = contextlib.nullcontext()

__all__ = ("Options", "Progress", "audit", "begin", "way_to")


def audit(
    pid: int,
    scan: Callable[[Sequence[Path]], Report],
    options: Options | None = None,
    progress: Progress = lambda *_: None,
    session: Session | None = None,
    *,
    turn: contextlib.AbstractContextManager[object] = NO_TURN,
) -> Report:
    """Attach to a process, watch it, and return the runtime report; raises LeakAuditError when that cannot be done.

    `scan` is the static half; it should return findings of low confidence too. Ctrl-C while watching ends early.
    A `session` that is given holds its first record already, and stays open. `turn` is held while the target stands
    still, or a copy of it works.
    """
    options = options or Options()
    record = session or Session(options.session)
    try:
        way, why = way_to(pid, options)
        if way is not None:
            try:
                return _Audit(way, scan, options, progress, record, turn=turn).run()
            except AttachError as error:
                if record.first("attached") or options.method != "auto" or not worth_looking(pid):
                    raise
                why = error.cause
        return audit_outside(pid, scan, options, progress, record, why=why)
    except LeakAuditError:
        # The next try may have the same name.
        if session is None and record.first("scan") is None:
            record.discard()
        raise
    finally:
        if session is None:
            record.close()


def way_to(pid: int, options: Options) -> tuple[tuple[Target, Injector] | None, str]:
    """Return the way into a process; or None, and why it is only looked at. Raises AttachError if that can't be either.

    What may not be gone into but tells its containers' lengths to outsiders is looked at without being asked for.
    """
    if options.passive:
        look(pid)
        return None, ""
    try:
        return reach(pid, options.method), ""
    except AttachError as error:
        if options.method != "auto" or not worth_looking(pid):
            raise
        return None, error.cause


class _Audit:
    def __init__(
        self,
        way: tuple[Target, Injector],
        scan: Callable[[Sequence[Path]], Report],
        options: Options,
        progress: Progress,
        session: Session,
        *,
        turn: contextlib.AbstractContextManager[object],
    ) -> None:
        self.target, self.injector = way
        self.turn = turn
        self.scan, self.options = scan, options
        self.progress, self.session = progress, session
        self.vitals = Vitals(self.target.pid)
        self.copies = Copies(self.target.pid, options, progress, session, turn)

    def run(self) -> Report:
        if not self.session.records:
            begin(self.session, self.target.pid, self.target.argv, self.options)
        self.progress("attach", 0, 1)
        with self.turn:
            link = self._attach()
        with contextlib.closing(link):
            self._scan(link)
            reason = self._watch(link)
        self.session.add("end", reason=reason)
        return conclude(self.session)

    def _attach(self) -> Link:
        link, injection = attach(self.target, self.injector, self._alive, self._heard, self._agent_options())
        try:
            hello = link.wait_for("hello", ANSWER_S)
            if hello is None:
                raise AttachError("the agent in the target does not answer", "try again")
        except BaseException:
            link.close()
            raise
        self.session.add(
            "attached",
            method=injection.method,
            mode=injection.mode,
            pause_ms=max(injection.stops_ms, default=0.0),
            latency_ms=injection.latency_ms,
            python=hello["python"],
        )
        self.copies.has_ctypes = bool(hello["ctypes"])
        return link

    def _agent_options(self) -> dict[str, Any]:
        return {
            "pause_budget_ms": self.options.pause_budget_ms,
            "deadline_s": 2 * self.options.duration_s + OVERHEAD_S,
        }

    def _alive(self) -> bool:
        return procfs.is_running(self.target.pid, self.target.start_time)

    def _heard(self, record: Record) -> None:
        self.copies.heard(record)
        # Module files are the target's, not the user's, and there are thousands.
        if record["record"] not in ("modules", "hello"):
            self.session.append(record)

    def _scan(self, link: Link) -> None:
        answer = link.ask("modules", "modules", ANSWER_S)
        if answer is None:
            raise AttachError(
                f"the target ended or did not answer ({link.ended or 'no answer'})", "try again"
            )
        modules: dict[str, str] = answer["files"]
        own = own_source(modules, self.target.cwd, self.target.root)
        paths = self.options.source or own
        if self.options.dependencies:
            paths += installed_source(modules, self.target.cwd, self.target.root)
        if not paths and self.options.needs_source:
            raise UsageError(
                "the target has loaded no source files of its own",
                "name its source with `--source DIR`, or scan its packages: `--include-dependencies`",
            )
        self.progress("scan", 0, len(paths))
        report = as_seen_there(_attributable(self.scan(paths)), self.target.root)
        self.session.add("scan", paths=[str(path) for path in paths], report=document(report))
        here = {
            name: source_of(seen_here(self.target.root, PurePosixPath(self.target.cwd, file)))
            for name, file in modules.items()
        }
        self.copies.files = own_files(modules, own, here)
        folders = standard_library(modules)
        self.copies.sources = Sources(here, tuple(seen_here(self.target.root, folder) for folder in folders))
        self._send_probes(link)

    def _send_probes(self, link: Link) -> None:
        probes = (
            {
                "id": number,
                "kind": finding.probe.kind.value,
                "module": finding.probe.module,
                "path": finding.probe.path,
                "qualname": finding.probe.qualname,
                "attribute": finding.probe.attribute,
                "types": finding.probe.object_types or finding.object_types,
            }
            for number, finding in enumerate(findings_of(self.session))
            if finding.probe is not None
        )
        link.channel.put_lines("probes.jsonl", probes)
        link.ask("probes", "probes", ANSWER_S)

    def _watch(self, link: Link) -> str:
        """Sample until the time is up; return why it ended early, or an empty string."""
        began = time.monotonic()
        try:
            self._sample(link, search=True)
            self.copies.take(link, "first")
            first = next(self.session.of("census-result"), None)
            if first is not None and any(record["partial"] for record in self.session.of("sample")):
                self._sample(link, search=True, list_ms=first["list_ms"])
            # The time of watching begins when everything is in place.
            end = time.monotonic() + self.options.duration_s
            self._sample_until(link, end, began)
            reason = ""
        except KeyboardInterrupt:
            reason = f"interrupted after {time.monotonic() - began:.0f} s"
        if not link.ended:
            self._sample(link, search=True, last=True)
            if found := seen_outside(self.target.pid):
                self.session.add("memory", **found)
            self.copies.take(link, "last")
            self._note_limits()
            if self.options.reclaim:
                self._reclaim(link)
        if link.ended:
            reason = (
                link.ended if self._alive() else f"the target ended after {time.monotonic() - began:.0f} s"
            )
        return reason

    def _sample_until(self, link: Link, end: float, began: float) -> None:
        due, taken = time.monotonic() + self.options.pace_s, 0
        counts = [began + (end - began) * part / COUNTS for part in range(1, COUNTS)]
        while time.monotonic() < end and not link.ended:
            if time.monotonic() >= due:
                self._sample(link)
                taken += 1
                due = max(due + self.options.pace_s * _unevenness(taken), time.monotonic())
            if counts and time.monotonic() >= counts[0] and self.copies.copying is None:
                at = counts.pop(0)
                if self.copies.needed():
                    self.copies.count(link, at)
            link.poll()
            self.copies.end_count(link)
            self.progress("watch", time.monotonic() - began, end - began)
            time.sleep(POLL_S)
        self.copies.await_count(link)

    def _sample(self, link: Link, **how: float) -> None:
        figures = self.vitals.take()
        if figures is not None:
            figures["threads"] -= 1  # the agent's
            self.session.add("vitals", t=time.monotonic(), **figures)
        if link.ask("sample", "sample", ANSWER_S, **how) is None and not link.ended:
            link.ended = "the agent no longer answered"

    def _note_limits(self) -> None:
        figures = self.vitals.take()
        note_limits(self.session, self.target.pid, self.options.budget, figures)

    def _reclaim(self, link: Link) -> None:
        """Ask the target to collect and to give free memory back: the one thing that alters it."""
        link.channel.put("reclaim.py", RECLAIM.read_bytes())
        with self.turn:
            link.ask("reclaim", "reclaimed", ANSWER_S)


def _attributable(report: Report) -> Report:
    """Leave out the counts of a type that code in installed packages asks for: others make such objects too."""
    kept = (
        finding
        for finding in report.findings
        if finding.probe is None
        or finding.probe.kind is not ProbeKind.TYPE_COUNT
        or not in_package(PurePosixPath(finding.location.path))
    )
    return replace(report, findings=tuple(kept))


def _unevenness(number: int) -> float:
    """Return by how much a pause differs from the pace, 1 on average: a target that works by the clock would be seen in
    the same moment of its cycle again and again. Multiples of the golden ratio spread most evenly.
    """
    return 0.5 + number * 0.6180339887 % 1
