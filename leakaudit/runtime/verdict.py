"""What the live process says of each finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from leakaudit.findings.model import Finding, ProbeKind, Status, Verdict
from leakaudit.runtime.census import Census, Sized
from leakaudit.runtime.growth import Course, Growth, assess
from leakaudit.runtime.sample import Row, Sample
from leakaudit.runtime.shares import attribute

FEW = 8  # samples, of which what copies counted is welcome too
_STATUS = {
    Course.GROWS: Status.CONFIRMED,
    Course.FLAT: Status.NOT_GROWING,
    Course.WAVES: Status.NOT_GROWING,
    Course.SETTLED: Status.NOT_GROWING,
    Course.FULL: Status.BOUNDED,
    Course.EMPTIED: Status.BOUNDED,
    Course.UNCLEAR: Status.INCONCLUSIVE,
}
# Holders of these come into being all the time: only a sample after a search has them all.
_NEED_FRESH = (ProbeKind.CLOSURE_CELL, ProbeKind.TASKS, ProbeKind.TYPE_COUNT)
_SEARCHED = (*_NEED_FRESH, ProbeKind.INSTANCE_ATTRIBUTE)
_BORN = {ProbeKind.CLOSURE_CELL: "closures", ProbeKind.INSTANCE_ATTRIBUTE: "instances"}
_UNIT = {
    ProbeKind.TASKS: "tasks",
    ProbeKind.THREADS: "threads",
    ProbeKind.TYPE_COUNT: "objects",
    ProbeKind.EXIT_FUNCTIONS: "functions for the exit",
    ProbeKind.FINALIZERS: "finalizers",
}


@dataclass(frozen=True, slots=True)
class Count:
    """What copies of the target counted at `t`: probe -> row, of probes that need a search."""

    t: float
    rows: Mapping[int, Row]


@dataclass(frozen=True, slots=True)
class Watched:
    """Everything that was seen: samples in order of time, and the censuses at both ends where they were possible.

    `resident` is the resident memory at both ends, in bytes.
    """

    samples: tuple[Sample, ...]
    first: Census | None = None
    last: Census | None = None
    counts: tuple[Count, ...] = ()
    resident: tuple[float, float] | None = None

    @property
    def heap_growth(self) -> tuple[int, float] | None:
        """(bytes, seconds) between the censuses; None where unknown."""
        if self.first is None or self.last is None or self.first.live is None or self.last.live is None:
            return None
        return self.last.live - self.first.live, self.last.t - self.first.t


def verdicts(findings: Sequence[Finding], watched: Watched) -> tuple[Verdict, ...]:
    """Return a verdict per finding; a finding's number is its place in the sequence."""
    judged = [judge(number, finding, watched) for number, finding in enumerate(findings)]
    return attribute(findings, judged, watched)


def judge(number: int, finding: Finding, watched: Watched) -> Verdict:
    """Return the verdict on one finding, overlaps not yet told; a bug of ours in one costs no other its verdict."""
    try:
        return _judge(number, finding, watched)
    except Exception as error:
        return Verdict(Status.UNRESOLVED, f"leakaudit failed on it ({type(error).__name__}: {error})")


def _judge(number: int, finding: Finding, watched: Watched) -> Verdict:
    if finding.probe is None:
        return Verdict(Status.UNRESOLVED, "it names nothing that can be looked up in a process")
    kind = finding.probe.kind
    rows = track(number, kind, watched)
    if not rows:
        return _unseen(number, watched.samples)
    if all(row.holders == 0 for _, row in rows) and kind in _BORN:
        text = f"none of its {_BORN[kind]} was alive in {len(rows)} samples"
        return Verdict(Status.NOT_GROWING, text, 0.0, entries=(0, 0), samples=len(rows))
    growth, what = course(kind, rows)
    reason = growth.reason + _longer(growth)
    verdict = Verdict(
        status=_STATUS[growth.course],
        reason=f"{what}: {reason}" if what else reason,
        entries_per_s=growth.rate,
        entries=(growth.first, growth.last),
        samples=growth.samples,
        points=_since_start(growth, watched),
    )
    return _with_bytes(verdict, number, rows, watched)


def _since_start(growth: Growth, watched: Watched) -> tuple[tuple[float, int], ...]:
    start = watched.samples[0].t if watched.samples else 0.0
    return tuple((round(t - start, 3), count) for t, count in growth.points)


def track(number: int, kind: ProbeKind, watched: Watched) -> list[tuple[float, Row]]:
    """Return the rows of one probe that can be compared with each other, with their times."""
    partial = any(sample.partial for sample in watched.samples)
    samples = _comparable(number, watched.samples) if kind in _SEARCHED else watched.samples
    rows = [(sample.t, sample.rows[number]) for sample in samples if number in sample.rows]
    held = rows[-1][1].holders if rows else 0
    if kind in _NEED_FRESH:
        rows = [(t, row) for t, row in rows if row.fresh]
    counted = [(count.t, count.rows[number]) for count in watched.counts if number in count.rows]
    fewer = len(rows) < len(counted)
    if (partial and counted and counted[-1][1].holders != held) or (
        fewer and (partial or kind in _NEED_FRESH)
    ):
        # Searches saw a part of the heap, or were too dear to be many; the copies have seen all of it.
        return counted
    if not rows:
        return counted if any(row.holders for _, row in counted) else rows
    if len(rows) < FEW and {row.holders for _, row in (*rows, *counted)} == {held}:
        seen = [(t, replace(row, limit=rows[-1][1].limit)) for t, row in counted]
        return sorted((*rows, *seen), key=lambda item: item[0])
    return rows


def _comparable(number: int, samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Leave out the searches of a part of the heap that saw other holders than searches of the whole did."""
    whole = {s.rows[number].holders if number in s.rows else 0 for s in samples if not s.partial}
    if not whole:
        return tuple(samples)
    return tuple(
        s for s in samples if not s.partial or (number in s.rows and s.rows[number].holders in whole)
    )


def course(kind: ProbeKind, rows: Sequence[tuple[float, Row]]) -> tuple[Growth, str]:
    """Return what a probe's containers do, and a word on which of their figures tells it."""
    entries = [(t, row.entries) for t, row in rows]
    limit = _limit(rows)
    found = assess(entries, limit, _marks(rows))
    if found.course is Course.GROWS and kind is ProbeKind.INSTANCE_ATTRIBUTE:
        return _by_instances(rows, found)
    if found.course is Course.GROWS or limit is not None:
        return found, _UNIT.get(kind, "")
    nested = [(t, row.nested) for t, row in rows if row.nested is not None]
    if len(nested) == len(rows):
        inside = assess(nested)
        # Too few samples say the same of both; a verdict speaks of the container itself then.
        unclear = found.course is Course.UNCLEAR and found.last > found.first
        courses = (Course.GROWS,) if unclear else (Course.GROWS, Course.UNCLEAR)
        if inside.course in courses and inside.last > inside.first:
            return inside, "what its entries hold"
    if kind is ProbeKind.CLOSURE_CELL:
        closures = assess([(t, row.holders) for t, row in rows])
        if closures.course is Course.GROWS:
            return closures, "closures that stay alive"
    return found, _UNIT.get(kind, "")


def _by_instances(rows: Sequence[tuple[float, Row]], total: Growth) -> tuple[Growth, str]:
    holders = [row.holders for _, row in rows]
    if min(holders) == max(holders):
        return total, ""
    largest = assess([(t, row.largest) for t, row in rows])
    if largest.course is Course.GROWS:
        return total, ""
    text = f"no instance's container grows, but the instances do: {holders[0]} to {holders[-1]}"
    return replace(largest, course=Course.FLAT, reason=text), ""


def _limit(rows: Sequence[tuple[float, Row]]) -> int | None:
    limit = rows[-1][1].limit
    # The limit is that of one container; where there are several, each has its own.
    return limit if limit is not None and all(row.entries <= limit for _, row in rows) else None


def _marks(rows: Sequence[tuple[float, Row]]) -> list[int]:
    return [row.mark if row.holders == 1 else 0 for _, row in rows]


def _longer(growth: Growth) -> str:
    return f"; watch it for {growth.needs_s:.0f} s more" if growth.needs_s else ""


def _unseen(number: int, samples: Sequence[Sample]) -> Verdict:
    if any(number in sample.rows for sample in samples):
        text = "only a part of the heap could be searched for it; allow a longer pause"
        return Verdict(Status.INCONCLUSIVE, text)
    for sample in reversed(samples):
        if number in sample.unresolved:
            return Verdict(Status.UNRESOLVED, sample.unresolved[number])
    return Verdict(Status.UNRESOLVED, "the agent could not look it up in the time there was")


def _with_bytes(
    verdict: Verdict, number: int, rows: Sequence[tuple[float, Row]], watched: Watched
) -> Verdict:
    sizes = _census_bytes(number, watched)
    if sizes is None:
        first, last = rows[0], rows[-1]
        span = last[0] - first[0]
        if not last[1].bytes or not span:
            return replace(verdict, exact_bytes=False)
        gain = last[1].bytes - first[1].bytes
        pair = (first[1].bytes, last[1].bytes)
        return replace(verdict, bytes=pair, bytes_per_s=max(0.0, gain / span), exact_bytes=False)
    before, after, exact, sized = sizes
    assert watched.first is not None and watched.last is not None  # noqa: PT018 - for mypy; both were used
    gain, span = after - before, watched.last.t - watched.first.t
    return replace(
        verdict,
        bytes=(before, after),
        bytes_per_s=max(0.0, gain / span) if span > 0 else None,
        exact_bytes=exact,
        retaining_path=sized.path,
    )


def _census_bytes(number: int, watched: Watched) -> tuple[int, int, bool, Sized] | None:
    """Return retained bytes at both ends, whether both were measured, and the last measurement."""
    if watched.first is None or watched.last is None or number not in watched.last.containers:
        return None
    after = watched.last.containers[number]
    sizes = [(after.retained, "retained"), (after.estimate, "estimate"), (after.deep, "deep")]
    size, name = next(((size, name) for size, name in sizes if size is not None), (None, ""))
    if size is None:
        return None
    exact = name != "estimate"
    before = watched.first.containers.get(number)
    if before is None:
        return 0, size, exact, after
    was = getattr(before, name)
    if was is not None:
        return was, size, exact, after
    return round(size * min(1.0, before.entries / max(after.entries, 1))), size, False, after


def suspicious(findings: Sequence[Finding], watched: Watched) -> list[int]:
    """Return the numbers of the findings whose containers gained entries so far, largest gain first."""
    gains = []
    for number, finding in enumerate(findings):
        verdict = judge(number, finding, watched)
        if verdict.status in (Status.CONFIRMED, Status.INCONCLUSIVE) and verdict.entries is not None:
            first, last = verdict.entries
            if last > first:
                rows = track(number, finding.probe.kind, watched) if finding.probe is not None else []
                gains.append((rows[-1][1].bytes - rows[0][1].bytes, number))
    return [number for _, number in sorted(gains, reverse=True)]
