"""Look at processes again and again: rows for now, series for the end, and whether budgets were kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from leakaudit.process.budget import Holding, Ledger
from leakaudit.process.naming import normal
from leakaudit.process.sample import CgroupMemory, Sample
from leakaudit.process.sampler import Sampler
from leakaudit.process.selection import Member, Selection
from leakaudit.process.series import Series
from leakaudit.process.tracks import Tracks

KEPT_GONE = 50  # series of ended processes that are kept for the summary
WORTH_KEEPING = 32  # samples: fewer give no trend

Key = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One process now. `change` is its RSS less that of the moment before, in bytes; `cpu` its share of one core."""

    member: Member
    sample: Sample
    change: int
    cpu: float | None


@dataclass(frozen=True, slots=True)
class Sum:
    """Processes together. `pss` is None while one of them denies it."""

    name: str
    count: int
    rss: int
    change: int
    pss: int | None
    threads: int


@dataclass(frozen=True, slots=True)
class Moment:
    """All that was seen at one time (Unix seconds)."""

    time: float
    rows: tuple[Row, ...]
    groups: tuple[Sum, ...]
    total: Sum
    came: tuple[Member, ...]
    gone: tuple[Member, ...]
    cgroups: tuple[CgroupMemory, ...]


class Monitor:
    """Holds what was seen of processes that come and go, in bounded memory."""

    def __init__(self, selection: Selection, sampler: Sampler, ledger: Ledger) -> None:
        self._selection = selection
        self._sampler = sampler
        self.ledger = ledger
        self.tracks: dict[Key, Tracks] = {}
        self.ended: dict[Key, Tracks] = {}
        self.sums: dict[str, Series] = {}
        self.total = Series()
        self.cgroups: dict[str, tuple[CgroupMemory, Series]] = {}
        self._before: dict[Key, Sample] = {}
        self._sum_rss: dict[str, int] = {}

    def start(self) -> None:
        """Look for the processes; raises UsageError if there are none."""
        self._selection.start(self._sampler.table())

    def look(self) -> Moment:
        """Sample everything that was asked for and is alive."""
        members = self._selection.find(self._sampler.table())
        samples = self._sampler.take(members)
        rows = tuple(
            self._row(members[pid], sample)
            for pid, sample in samples.items()
            if sample.stat.started == members[pid].started
        )
        now = max((row.sample.time for row in rows), default=0.0)
        came, gone = self._follow(rows)
        moment = Moment(
            now, _ordered(rows), self._groups(rows), self._sum("total", rows), came, gone, _cgroups(rows)
        )
        self._remember(moment)
        return moment

    def _row(self, member: Member, sample: Sample) -> Row:
        before = self._before.get(member.key)
        if before is None or sample.time <= before.time:
            return Row(member, sample, 0, None)
        cpu = (sample.stat.cpu_s - before.stat.cpu_s) / (sample.time - before.time)
        return Row(member, sample, sample.rss - before.rss, max(0.0, cpu))

    def _follow(self, rows: Iterable[Row]) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
        alive = {row.member.key: row for row in rows}
        came = tuple(row.member for key, row in alive.items() if key not in self.tracks)
        gone = tuple(tracks.member for key, tracks in self.tracks.items() if key not in alive)
        for member in gone:
            tracks = self.tracks.pop(member.key)
            if tracks.samples >= WORTH_KEEPING:
                self.ended[member.key] = tracks
        for key in list(self.ended)[: max(0, len(self.ended) - KEPT_GONE)]:
            del self.ended[key]
        for key, row in alive.items():
            self.tracks.setdefault(key, Tracks(row.member)).add(row.sample)
        self._before = {key: row.sample for key, row in alive.items()}
        return came, gone

    def _groups(self, rows: Iterable[Row]) -> tuple[Sum, ...]:
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.member.group, []).append(row)
        return tuple(self._sum(name, groups[name]) for name in sorted(groups))

    def _sum(self, name: str, rows: Iterable[Row]) -> Sum:
        samples = [row.sample for row in rows]
        rss = sum(sample.rss for sample in samples)
        private = [sample.details.private for sample in samples]
        known = [p.pss for p in private if p is not None]
        return Sum(
            name=name,
            count=len(samples),
            rss=rss,
            change=rss - self._sum_rss.get(name, rss),
            pss=sum(known) if len(known) == len(samples) else None,
            threads=sum(sample.threads for sample in samples),
        )

    def _remember(self, moment: Moment) -> None:
        self._sum_rss = {group.name: group.rss for group in (*moment.groups, moment.total)}
        if not moment.rows:
            return
        for group in moment.groups:
            # A group of one is that process itself.
            if group.name in self.sums or (group.count > 1 and len(self.sums) < KEPT_GONE):
                self.sums.setdefault(group.name, Series()).append(moment.time, group.rss)
        self.total.append(moment.time, moment.total.rss)
        for cgroup in moment.cgroups:
            if cgroup.path in self.cgroups or len(self.cgroups) < KEPT_GONE:
                _, series = self.cgroups.get(cgroup.path, (cgroup, Series()))
                series.append(moment.time, cgroup.working_set)
                self.cgroups[cgroup.path] = (cgroup, series)
        held = [
            Holding(row.member.label, row.member.names | {normal(row.member.group)}, row.sample.rss)
            for row in moment.rows
        ]
        self.ledger.check(moment.time, held)


def _ordered(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (row.member.group, row.member.label, row.member.pid)))


def _cgroups(rows: Iterable[Row]) -> tuple[CgroupMemory, ...]:
    found = {
        row.sample.details.cgroup.path: row.sample.details.cgroup for row in rows if row.sample.details.cgroup
    }
    return tuple(found[path] for path in sorted(found))
