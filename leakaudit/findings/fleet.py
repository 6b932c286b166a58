"""Several processes of one program as one report: what all of them together gained, and which of them did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from leakaudit.findings.model import Finding, SharedBytes, Status, Verdict
from leakaudit.findings.order import RANK, by_growth
from leakaudit.findings.report import Report, RuntimeAudit, Unexplained

MOST_NAMED = 6  # processes in one sentence

_Told = tuple[str, Verdict]


def together(reports: Sequence[Report]) -> Report:
    """Return the report on several processes, which it holds as `processes`; a single one comes back as it is.

    Entries, rates and bytes are sums; a share is of the growth of all processes together.
    """
    if len(reports) == 1:
        return reports[0]
    audits = [report.runtime for report in reports if report.runtime is not None]
    names = process_names(audits)
    growth = _sum(audit.heap_growth_bytes_per_s for audit in audits)
    groups: dict[tuple[str, str, int], list[tuple[str, Finding]]] = {}
    for name, report in zip(names, reports, strict=True):
        for finding in report.findings:
            place = finding.location
            groups.setdefault((finding.fingerprint, place.path, place.line), []).append((name, finding))
    first = reports[0]
    return Report(
        kind="runtime",
        findings=by_growth(_finding(group, growth, len(reports)) for group in groups.values()),
        errors=tuple(dict.fromkeys(error for report in reports for error in report.errors)),
        files=max(report.files for report in reports),
        lines=max(report.lines for report in reports),
        seconds=sum(report.seconds for report in reports),
        runtime=_audit(audits, names, growth),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        threshold=first.threshold,
        processes=tuple(reports),
    )


def process_names(audits: Sequence[RuntimeAudit]) -> list[str]:
    """Return what each process is called: its pid, with the host where there are several."""
    several = len({audit.host for audit in audits}) > 1
    return [f"{audit.host}:{audit.pid}" if several else str(audit.pid) for audit in audits]


def _audit(audits: Sequence[RuntimeAudit], names: Sequence[str], growth: float | None) -> RuntimeAudit:
    account: dict[str, float] = {}
    for audit in audits:
        for part, size in audit.rss_account:
            account[part] = account.get(part, 0.0) + size
    return RuntimeAudit(
        pid=audits[0].pid,
        python=_each(audit.python for audit in audits),
        method=_each(audit.method for audit in audits),
        duration_s=max(audit.duration_s for audit in audits),
        interval_s=max(audit.interval_s for audit in audits),
        samples=sum(audit.samples for audit in audits),
        attach_pause_ms=max(audit.attach_pause_ms for audit in audits),
        largest_pause_ms=max(audit.largest_pause_ms for audit in audits),
        heap_growth_bytes_per_s=growth,
        series=tuple(
            replace(series, name=f"rss of {name}", part_of="")
            for name, audit in zip(names, audits, strict=True)
            for series in audit.series
            if series.name == "rss"
        ),
        rss_account=tuple(account.items()),
        unexplained=_unexplained(audits, names, growth),
        notes=tuple(_notes(audits, names)),
        command=_each(audit.command for audit in audits),
        ended_early="; ".join(
            f"process {name}: {audit.ended_early}"
            for name, audit in zip(names, audits, strict=True)
            if audit.ended_early
        ),
        host=_each(audit.host for audit in audits),
    )


def _notes(audits: Sequence[RuntimeAudit], names: Sequence[str]) -> Iterable[str]:
    """Yield each note once, with the processes that it is about where it is not about all."""
    said: dict[str, list[str]] = {}
    for name, audit in zip(names, audits, strict=True):
        for note in audit.notes:
            said.setdefault(note, []).append(name)
    for note, of in said.items():
        yield note if len(of) == len(audits) else f"process {_list(of)}: {note}"


def _finding(group: Sequence[tuple[str, Finding]], growth: float | None, among: int) -> Finding:
    told = [(name, finding.verdict) for name, finding in group if finding.verdict is not None]
    worst = by_growth(finding for _, finding in group)[0]
    return replace(worst, verdict=_verdict(told, growth, among)) if told else worst


def _verdict(told: Sequence[_Told], growth: float | None, among: int) -> Verdict:
    grown = [(name, verdict) for name, verdict in told if verdict.status is Status.CONFIRMED]
    worst = by_status(verdict for _, verdict in told)
    if not grown:
        alike = [verdict for _, verdict in told if verdict.status is worst.status]
        reason = f"{worst.reason} (in {len(alike)} of {among} processes)"
        return replace(_summed([verdict for _, verdict in told], worst), reason=reason)
    rates = [
        f"{name} {'' if v.entries_per_s is None else f'{v.entries_per_s:+.3g}/s'}".rstrip()
        for name, v in grown
    ]
    summed = _summed([verdict for _, verdict in told], worst)
    gained = _sum(verdict.bytes_per_s for _, verdict in grown)
    return replace(
        summed,
        reason=f"grows in {len(grown)} of {among} processes: {_list(rates)}; {worst.reason}",
        share=min(1.0, max(0.0, gained / growth)) if gained is not None and growth and growth > 0 else None,
        retaining_path=next((v.retaining_path for _, v in grown if v.retaining_path), ()),
    )


def by_status(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that matters most: confirmed before bounded, that before what is not known."""
    return min(verdicts, key=lambda verdict: (RANK[verdict.status], -(verdict.bytes_per_s or 0.0)))


def _summed(verdicts: Sequence[Verdict], worst: Verdict) -> Verdict:
    shared: dict[str, int] = {}
    for part in (part for verdict in verdicts for part in verdict.shared_with):
        shared[part.symbol] = shared.get(part.symbol, 0) + part.bytes
    exclusive = _sum(verdict.exclusive_bytes for verdict in verdicts)
    return replace(
        worst,
        entries=_pair([verdict.entries for verdict in verdicts]),
        entries_per_s=_sum(verdict.entries_per_s for verdict in verdicts),
        bytes=_pair([verdict.bytes for verdict in verdicts]),
        bytes_per_s=_sum(verdict.bytes_per_s for verdict in verdicts),
        samples=sum(verdict.samples for verdict in verdicts),
        exact_bytes=all(verdict.exact_bytes for verdict in verdicts if verdict.bytes is not None),
        exclusive_bytes=None if exclusive is None else round(exclusive),
        shared_with=tuple(SharedBytes(symbol, size) for symbol, size in shared.items()),
        points=(),
        share=None,
    )


def _unexplained(
    audits: Sequence[RuntimeAudit], names: Sequence[str], growth: float | None
) -> tuple[Unexplained, ...]:
    groups: dict[tuple[str, str], list[tuple[str, Unexplained]]] = {}
    for name, audit in zip(names, audits, strict=True):
        for item in audit.unexplained:
            groups.setdefault((item.symbol, item.type_name), []).append((name, item))
    found = []
    for group in groups.values():
        items = [item for _, item in group]
        size = _sum(item.bytes_per_s for item in items)
        reason = f"in {len(group)} of {len(audits)} processes: {_list([name for name, _ in group])}"
        found.append(
            replace(
                items[0],
                count=_pair([item.count for item in items]) or (0, 0),
                count_per_s=sum(item.count_per_s for item in items),
                bytes_per_s=size,
                share=size / growth if size is not None and growth and growth > 0 else None,
                reason=f"{items[0].reason}; {reason}" if items[0].reason else reason,
            )
        )
    return tuple(sorted(found, key=lambda item: -(item.bytes_per_s or 0.0)))


def _each(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, texts)))


def _list(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _pair(values: Sequence[tuple[int, int] | None]) -> tuple[int, int] | None:
    known = [value for value in values if value is not None]
    return (sum(first for first, _ in known), sum(last for _, last in known)) if known else None
