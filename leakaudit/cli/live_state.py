"""What a live view knows of an audit that is under way: told by the session's records, judged as the report will be."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from leakaudit.report.json_v1_parse import parse
from leakaudit.runtime.growth import Course
from leakaudit.runtime.sample import Sample
from leakaudit.runtime.verdict import Watched, course, track

if TYPE_CHECKING:
    from leakaudit.findings.model import Finding

#: More samples than that are thinned out: they have to be judged anew with each one that comes.
MOST_SAMPLES = 64
MOST_POINTS = 512


@dataclass(frozen=True, slots=True)
class Moving:
    """A finding whose container has gained entries since the first sample; rates per second.

    `unit` says what is counted where that is not the container's entries; `sure` is what the report would confirm now.
    """

    symbol: str
    rule: str
    unit: str
    first: int
    last: int
    rate: float
    bytes: int
    bytes_rate: float
    sure: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that is known now. Sizes are bytes, pauses milliseconds; `rss` is (seconds, bytes), oldest first."""

    pid: int = 0
    command: str = ""
    phase: str = ""
    done: float = 0.0
    total: float = 0.0
    rss: tuple[tuple[float, float], ...] = ()
    threads: tuple[float, float] | None = None
    descriptors: tuple[float, float] | None = None
    attach_ms: float | None = None
    largest_ms: float | None = None
    samples: int = 0
    moving: tuple[Moving, ...] = ()
    still: int = 0
    unresolved: int = 0


class State:
    """Hears the records of a session and where the audit stands; `moment` is what there is to show."""

    def __init__(self) -> None:
        self.moment = Moment()
        self._lock = threading.Lock()
        self._findings: tuple[Finding, ...] = ()
        self._samples: list[Sample] = []
        self._seen: set[int] = set()  # a search of a part of the heap does not see all of them again

    def hear(self, record: Mapping[str, Any]) -> None:
        """Take note of a record; of those that a view has no use for, too."""
        kind = record["record"]
        if kind == "session":
            self._update(pid=record["pid"], command=record["command"])
        elif kind == "attached":
            self._update(attach_ms=record["pause_ms"])
        elif kind == "scan":
            self._findings = parse(json.dumps(record["report"])).findings
        elif kind == "vitals":
            self._vitals(record)
        elif kind == "sample":
            self._sample(Sample.parse(record))

    def step(self, phase: str, done: float, total: float) -> None:
        """Take note of where the audit stands; another thread may do so than the one that hears."""
        self._update(phase=phase, done=done, total=total)

    def _update(self, **fields: Any) -> None:
        with self._lock:
            self.moment = replace(self.moment, **fields)

    def _vitals(self, record: Mapping[str, Any]) -> None:
        rss = (*self.moment.rss, (record["t"], record["rss"]))
        self._update(rss=rss if len(rss) <= MOST_POINTS else rss[::2])
        for name in ("threads", "descriptors"):
            if name in record:
                known = getattr(self.moment, name)
                self._update(**{name: (known[0] if known else record[name], record[name])})

    def _sample(self, sample: Sample) -> None:
        self._samples.append(sample)
        if len(self._samples) > MOST_SAMPLES:
            self._samples = [*self._samples[:-1:2], sample]
        moving = movements(self._findings, self._samples)
        self._seen.update(sample.rows)
        self._update(
            samples=self.moment.samples + 1,
            largest_ms=max(self.moment.largest_ms or 0.0, sample.pause_ms),
            moving=moving,
            still=max(0, len(self._seen) - len(moving)),
            unresolved=sum(
                1 for n, f in enumerate(self._findings) if n not in self._seen and not f.only_watched
            ),
        )


def movements(findings: Sequence[Finding], samples: Sequence[Sample]) -> tuple[Moving, ...]:
    """Return what gained entries: what surely grows first, then by bytes and entries per second."""
    watched = Watched(tuple(samples))
    found = (_movement(number, finding, watched) for number, finding in enumerate(findings))
    return tuple(
        sorted(
            (item for item in found if item is not None),
            key=lambda item: (not item.sure, -item.bytes_rate, -item.rate, item.symbol),
        )
    )


def _movement(number: int, finding: Finding, watched: Watched) -> Moving | None:
    if finding.probe is None:
        return None
    rows = track(number, finding.probe.kind, watched)
    if len(rows) < 2:
        return None
    growth, unit = course(finding.probe.kind, rows)
    if growth.last <= growth.first or growth.course not in (Course.GROWS, Course.UNCLEAR):
        return None
    (began, before), (now, after) = rows[0], rows[-1]
    return Moving(
        symbol=finding.symbol,
        rule=finding.rule,
        unit=unit,
        first=growth.first,
        last=growth.last,
        rate=(growth.last - growth.first) / (now - began) if now > began else 0.0,
        bytes=after.bytes,
        bytes_rate=max(0.0, (after.bytes - before.bytes) / (now - began)) if now > began else 0.0,
        sure=growth.course is Course.GROWS,
    )
