"""Two looks at a program, before and after a change: what was cured, what still grows, what is new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from leakaudit.findings.model import Finding, Status, Verdict
from leakaudit.findings.report import Report, Unexplained

#: Entries that a container would have gained at its old rate: fewer, and its silence says nothing.
LEAST_EXPECTED = 5.0
#: Part of the heap's growth from which on growth without a finding counts.
LEAST_SHARE = 0.05


class Fate(str, Enum):
    """What became of a growth."""

    CURED = "cured"
    STILL = "still grows"
    NEW = "new"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class Change:
    """One container before and after; `finding` None is growth that no finding explains, named by `symbol`."""

    fate: Fate
    symbol: str
    reason: str
    finding: Finding | None = None
    before: Verdict | None = None
    after: Verdict | None = None


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """What changed, the worst first, and the heap's growth in bytes per second before and after."""

    changes: tuple[Change, ...]
    heap_before: float | None = None
    heap_after: float | None = None

    @property
    def passed(self) -> bool:
        """Whether all that grew before is cured, and nothing new grows."""
        return all(change.fate is Fate.CURED for change in self.changes)

    def of(self, fate: Fate) -> tuple[Change, ...]:
        """Return the changes of one kind."""
        return tuple(change for change in self.changes if change.fate is fate)


def compare(before: Report, after: Report) -> BeforeAfter:
    """Compare two runtime reports on one program."""
    order = (Fate.STILL, Fate.NEW, Fate.UNKNOWN, Fate.CURED)
    changes = sorted(
        (*_findings(before, after), *_unexplained(before, after)), key=lambda item: order.index(item.fate)
    )
    return BeforeAfter(tuple(changes), _heap(before), _heap(after))


def _heap(report: Report) -> float | None:
    return report.runtime.heap_growth_bytes_per_s if report.runtime is not None else None


def _findings(before: Report, after: Report) -> Iterator[Change]:
    was, now = _by_fingerprint(before.findings), _by_fingerprint(after.findings)
    span = after.runtime.duration_s if after.runtime is not None else 0.0
    # Half a cure turns what one rule names into what another one does: the container is the same.
    elsewhere = {finding.symbol: finding for key, finding in now.items() if key not in was}
    grown = {key: finding for key, finding in was.items() if _grew(finding)}
    told = {finding.symbol for key, finding in grown.items() if key not in now}
    for key, finding in grown.items():
        if finding.verdict is not None:
            later = now.get(key, elsewhere.get(finding.symbol))
            fate, reason = _fate(finding.verdict, later, span)
            yield Change(fate, finding.symbol, reason, later or finding, finding.verdict, _said(later))
    for key, finding in now.items():
        old = was.get(key)
        if _grew(finding) and key not in grown and not (old is None and finding.symbol in told):
            reason = "did not grow before" if old is not None else "was not there before"
            yield Change(Fate.NEW, finding.symbol, reason, finding, _said(old), finding.verdict)


def _grew(finding: Finding) -> bool:
    return finding.verdict is not None and finding.verdict.status is Status.CONFIRMED


def _said(finding: Finding | None) -> Verdict | None:
    return finding.verdict if finding is not None else None


def _fate(before: Verdict, later: Finding | None, span: float) -> tuple[Fate, str]:
    if later is None:
        return Fate.CURED, "the source has no such finding any more"
    if later.verdict is None:
        return Fate.UNKNOWN, "nobody asked the process about it"
    status = later.verdict.status
    if status is Status.CONFIRMED:
        return Fate.STILL, later.verdict.reason
    if status in (Status.UNRESOLVED, Status.INCONCLUSIVE):
        return Fate.UNKNOWN, later.verdict.reason
    expected = (before.entries_per_s or 0.0) * span
    if expected < LEAST_EXPECTED and status is Status.NOT_GROWING:
        longer = LEAST_EXPECTED / before.entries_per_s if before.entries_per_s else 0.0
        watch = f"; watch for {longer:.0f} s or more" if longer else ""
        return (
            Fate.UNKNOWN,
            f"at its old rate it would have gained {expected:.1f} entries in {span:.0f} s{watch}",
        )
    return Fate.CURED, later.verdict.reason


def _by_fingerprint(findings: Iterable[Finding]) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for finding in findings:
        known = found.get(finding.fingerprint)
        if known is None or known.verdict is None or known.verdict.status is not Status.CONFIRMED:
            found[finding.fingerprint] = finding
    return found


def _unexplained(before: Report, after: Report) -> Iterator[Change]:
    was, now = _growths(before), _growths(after)
    explained = {f.symbol for report in (before, after) for f in report.findings if f.verdict is not None}
    for name in was.keys() | now.keys() - explained:
        fate = Fate.STILL if name in was and name in now else Fate.CURED if name in was else Fate.NEW
        reason = {
            Fate.STILL: "no finding explains it",
            Fate.CURED: "no longer seen to grow",
            Fate.NEW: "no finding explains it, and it was not seen to grow before",
        }[fate]
        yield Change(fate, name, reason)


def _growths(report: Report) -> dict[str, Unexplained]:
    items = report.runtime.unexplained if report.runtime is not None else ()
    return {item.symbol or item.type_name: item for item in items if (item.share or 0.0) >= LEAST_SHARE}
