"""The order in which findings are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakaudit.findings.model import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What matters most comes first.
RANK = {
    Status.CONFIRMED: 0,
    Status.BOUNDED: 1,
    Status.INCONCLUSIVE: 2,
    Status.UNRESOLVED: 3,
    Status.NOT_GROWING: 4,
}


def by_place(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort as a reader goes through files."""
    return tuple(sorted(findings, key=_place))


def by_growth(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort what was confirmed first, the largest share of growth on top."""
    return tuple(sorted(findings, key=lambda finding: (*_growth(finding), *_place(finding))))


def _place(finding: Finding) -> tuple[str, int, int, str]:
    return finding.location.path, finding.location.line, finding.location.column, finding.rule


def _growth(finding: Finding) -> tuple[int, float, float, float]:
    verdict = finding.verdict
    if verdict is None:
        return len(RANK), 0.0, 0.0, 0.0
    return (
        RANK[verdict.status],
        -(verdict.share or 0.0),
        -(verdict.bytes_per_s or 0.0),
        -(verdict.entries_per_s or 0.0),
    )
