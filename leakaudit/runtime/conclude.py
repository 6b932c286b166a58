"""From a session, live or read again from its file, to the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from leakaudit.findings.model import Confidence, Finding, Status, Verdict
from leakaudit.findings.order import by_growth
from leakaudit.findings.report import Reclaimed, Report, RuntimeAudit
from leakaudit.report.json_v1_parse import parse
from leakaudit.runtime.census import Census
from leakaudit.runtime.memory import account
from leakaudit.runtime.outlook import outlook
from leakaudit.runtime.sample import Row, Sample
from leakaudit.runtime.unexplained import unexplained
from leakaudit.runtime.verdict import Count, Watched, verdicts
from leakaudit.runtime.vitals import series

if TYPE_CHECKING:
    from leakaudit.runtime.session import Record, Session


def conclude(session: Session) -> Report:
    """Return the report on everything in a session; it may have ended at any point."""
    scanned = scanned_report(session)
    watched = watched_in(session)
    given = verdicts(scanned.findings, watched)
    judged = (
        replace(finding, verdict=verdict)
        for finding, verdict in zip(scanned.findings, given, strict=True)
        if not finding.only_watched or verdict.status is Status.CONFIRMED
    )
    return replace(
        scanned,
        kind="runtime",
        findings=by_growth(judged),
        threshold=Confidence(_header(session)["threshold"]),
        runtime=_runtime(session, watched, given),
        notes=(*scanned.notes, *(record["text"] for record in session.of("tree"))),
    )


def scanned_report(session: Session) -> Report:
    """Return the static report that the session started from; empty if it ended before."""
    record = session.first("scan")
    return parse(json.dumps(record["report"])) if record else Report(kind="scan", findings=())


def findings_of(session: Session) -> tuple[Finding, ...]:
    """Return the findings in the order of their numbers."""
    return scanned_report(session).findings


def watched_in(session: Session) -> Watched:
    """Return the samples and censuses of a session."""
    results = {record["id"]: Census.parse(record) for record in session.of("census-result")}
    samples = tuple(Sample.parse(record) for record in session.of("sample"))
    rss = [record["rss"] for record in session.of("vitals")]
    return Watched(
        samples,
        results.get("first"),
        results.get("last"),
        tuple(_counts(session)),
        (rss[0], rss[-1]) if rss else None,
    )


def _counts(session: Session) -> Iterator[Count]:
    for record in session.records:
        if record["record"] in ("count", "census-result"):
            yield Count(record["t"], {int(n): _row(*row) for n, row in record["counts"].items()})


def _row(held: int, found: int, most: int | None = None, nested: int | None = None) -> Row:
    return Row(held, found, nested, found if most is None else most, 0, None, 0, fresh=True)


def _header(session: Session) -> Record:
    return session.records[0]


def _runtime(session: Session, watched: Watched, given: Iterable[Verdict]) -> RuntimeAudit:
    header, samples = _header(session), watched.samples
    attached = session.first("attached") or {"method": "", "pause_ms": 0.0, "python": ""}
    growth = watched.heap_growth
    last = next((r for r in session.of("census-result") if r["id"] == "last"), None)
    end = session.first("end")
    confirmed = (
        verdict.entries for verdict in given if verdict.status is Status.CONFIRMED and verdict.entries
    )
    explained = sum(after - before for before, after in confirmed)
    return RuntimeAudit(
        pid=header["pid"],
        python=attached["python"],
        method=attached["method"],
        duration_s=samples[-1].t - samples[0].t if samples else 0.0,
        interval_s=header["interval_s"],
        samples=len(samples),
        attach_pause_ms=attached["pause_ms"],
        largest_pause_ms=_largest_pause(session, samples),
        heap_growth_bytes_per_s=growth[0] / growth[1] if growth and growth[1] > 0 else None,
        series=series((*session.of("vitals"), *_inner_figures(samples))),
        rss_account=account(session.first("memory"), watched.last, samples[-1].own_bytes if samples else 0),
        unexplained=unexplained(last, watched, explained),
        notes=tuple(_notes(session, watched)),
        command=header["command"],
        host=header.get("host", ""),
        outlook=outlook(session.first("limits"), watched, given),
        reclaimed=_reclaimed(session.first("reclaimed")),
        ended_early=end["reason"] if end else "the session was cut off",
    )


def _inner_figures(samples: Iterable[Sample]) -> Iterator[Record]:
    for sample in samples:
        if sample.blocks:
            yield {"t": sample.t, "blocks": sample.blocks}
        if sample.cuda:
            yield {"t": sample.t, "cuda allocated": sample.cuda[0], "cuda reserved": sample.cuda[1]}


def _reclaimed(record: Record | None) -> Reclaimed | None:
    if record is None:
        return None
    before, collected, *trimmed = record["rss"]
    return Reclaimed(
        before=before,
        collected=collected,
        trimmed=trimmed[0] if trimmed else None,
        unreachable=record["unreachable"],
        collect_ms=record["collect_ms"],
        trim_ms=record["trim_ms"],
    )


def _largest_pause(session: Session, samples: Iterable[Sample]) -> float:
    pauses = [sample.pause_ms for sample in samples]
    pauses += [record["fork_ms"] for record in session.of("census")]
    pauses += [record["pause_ms"] for record in session.of("bye")]
    return max(pauses, default=0.0)


def _notes(session: Session, watched: Watched) -> Iterable[str]:
    yield from (record["text"] for record in session.of("note"))
    text = next((sample.partial for sample in watched.samples if sample.partial), "")
    if text:
        yield f"samples searched for holders only near the modules: {text}"
    last = watched.samples[-1] if watched.samples else None
    if last is not None and last.own_bytes:
        yield f"the agent used {last.cpu_ms:.0f} ms of processor time and {last.own_bytes / 1024:.0f} KiB"
