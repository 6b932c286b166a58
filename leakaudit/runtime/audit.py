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
from leakaudit.runtime import census
from leakaudit.runtime.attach import procfs
from leakaudit.runtime.attach.ladder import reach
from leakaudit.runtime.attach.preflight import look
from leakaudit.runtime.conclude import conclude, findings_of, watched_in
from leakaudit.runtime.declared import Sources
from leakaudit.runtime.limits import note_limits
from leakaudit.runtime.link import POLL_S, Link, attach
from leakaudit.runtime.memory import seen_outside
from leakaudit.runtime.named import Named
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
from leakaudit.runtime.unexplained import declarations, own_files
from leakaudit.runtime.verdict import suspicious
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
        self.files: dict[str, Path] = {}
        self.sources = Sources({}, ())
        self.named = Named()
        self.has_ctypes = True
        self.copying: dict[str, Any] | None = (
            None  # the command for a copy that is at work while samples go on
        )
        self.copied: Record | None = None  # the answer to it
        self.waiting = contextlib.ExitStack()  # for its turn's end

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
        self.has_ctypes = bool(hello["ctypes"])
        return link

    def _agent_options(self) -> dict[str, Any]:
        return {
            "pause_budget_ms": self.options.pause_budget_ms,
            "deadline_s": 2 * self.options.duration_s + OVERHEAD_S,
        }

    def _alive(self) -> bool:
        return procfs.is_running(self.target.pid, self.target.start_time)

    def _heard(self, record: Record) -> None:
        if record["record"] == "census" or (record["record"] == "failed" and record["command"] == "census"):
            self.copied = record
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
        self.files = own_files(modules, own, here)
        folders = standard_library(modules)
        self.sources = Sources(here, tuple(seen_here(self.target.root, folder) for folder in folders))
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
            self._census(link, "first")
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
            self._census(link, "last")
            self._note_limits()
            if self.options.reclaim:
                self._reclaim(link)
        if link.ended:
            reason = (
                f"the target ended after {time.monotonic() - began:.0f} s"
                if not self._alive()
                else link.ended
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
            if counts and time.monotonic() >= counts[0] and self.copying is None:
                at = counts.pop(0)
                if self._needs_counts():
                    self._count(link, at)
            link.poll()
            self._end_count(link)
            self.progress("watch", time.monotonic() - began, end - began)
            time.sleep(POLL_S)
        self._await_count(link)

    def _needs_counts(self) -> bool:
        watched = watched_in(self.session)
        return watched.first is not None and (
            self.named.affordable(self.options.duration_s) or any(s.partial for s in watched.samples)
        )

    def _count(self, link: Link, at: float) -> None:
        """Let a copy of the target search the whole heap for holders, which the target itself has no time for.

        Where the processors are busy that takes long; samples go on meanwhile.
        """
        if not census.refusal(self.target.pid, self.options.pause_budget_ms):
            self.copying = {"id": f"{at:.3f}", "cpu_s": census.LIMIT_S, "light": True, "grew": []}
            self.copied = None
            self.waiting.enter_context(self.turn)
            link.channel.send(do="census", **self.copying)

    def _end_count(self, link: Link) -> None:
        if self.copying is not None and self.copied is not None:
            command, self.copying = self.copying, None
            self.waiting.close()
            self._take_result(link, command, self.copied)

    def _await_count(self, link: Link) -> None:
        end = time.monotonic() + 3 * census.LIMIT_S
        while self.copying is not None and not link.ended and time.monotonic() < end:
            link.poll()
            self._end_count(link)
            time.sleep(POLL_S)
        self.waiting.close()

    def _sample(self, link: Link, **how: float) -> None:
        figures = self.vitals.take()
        if figures is not None:
            figures["threads"] -= 1  # the agent's
            self.session.add("vitals", t=time.monotonic(), **figures)
        if link.ask("sample", "sample", ANSWER_S, **how) is None and not link.ended:
            link.ended = "the agent no longer answered"

    def _census(self, link: Link, name: str) -> None:
        """Let the target be copied if it can bear it, and wait for what the copy finds."""
        if link.ended or (name == "last" and watched_in(self.session).first is None):
            return
        why_not = census.refusal(self.target.pid, self.options.pause_budget_ms)
        if why_not:
            text = f"no {name} census, so sizes and shares are estimates: {why_not}"
            self.session.add("note", text=text)
            return
        self.progress("census", 0, 1)
        command: dict[str, Any] = {
            "id": name,
            "cpu_s": census.LIMIT_S,
            "light": False,
            "grew": [],
            "most": census.most_objects(self.target.pid),
        }
        if name == "first":
            for file, content in ({} if link.equipped else census.tools()).items():
                link.channel.put(file, content)
            if not self.has_ctypes:
                self.session.add("note", text="the census loaded libffi into the target; it stays mapped")
        else:
            watched = watched_in(self.session)
            command["grew"] = suspicious(findings_of(self.session), watched)
            command["before"] = "census-first.json"
            command["rising"] = self.named.rising()
        self._take_census(link, command)

    def _take_census(self, link: Link, command: dict[str, Any]) -> None:
        with self.turn:
            answer = link.ask("census", "census", 3 * census.LIMIT_S, **command)
        self._take_result(link, command, answer)

    def _take_result(self, link: Link, command: dict[str, Any], answer: Record | None) -> None:
        result = link.channel.fetch(f"census-{command['id']}.json") if answer and answer.get("done") else None
        if result is None:
            error = (link.channel.fetch("census-error.json") or {}).get("error") or self._last_failure()
            self.session.add("note", text=f"the {command['id']} census was not finished; {error}")
            return
        self.named.add(result)
        declarations(result, self.files)
        self.named.declare(result, self.sources)
        # Addresses, lengths and names are for the second census only, which reads the file itself.
        self.session.append({key: value for key, value in result.items() if key not in ("lengths", "names")})

    def _note_limits(self) -> None:
        figures = self.vitals.take()
        note_limits(self.session, self.target.pid, self.options.budget, figures)

    def _reclaim(self, link: Link) -> None:
        """Ask the target to collect and to give free memory back: the one thing that alters it."""
        link.channel.put("reclaim.py", RECLAIM.read_bytes())
        with self.turn:
            link.ask("reclaim", "reclaimed", ANSWER_S)

    def _last_failure(self) -> str:
        failures = [record["error"] for record in self.session.of("failed")]
        return failures[-1] if failures else "the copy of the target gave no answer"


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
