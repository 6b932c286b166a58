"""When the target reaches a limit of memory, at the rate at which it grew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from leakaudit.findings.model import Status, Verdict
from leakaudit.findings.report import Outlook

if TYPE_CHECKING:
    from leakaudit.runtime.verdict import Watched

LEAST_BYTES_PER_S = 64.0


def outlook(
    limits: Mapping[str, Any] | None, watched: Watched, given: Iterable[Verdict]
) -> tuple[Outlook, ...]:
    """Return when each limit is reached; empty if nothing was confirmed to grow.

    Soonest at the rate of the heap or of the resident memory, whichever grew faster; latest at that of the confirmed
    containers alone. A straight line: what accelerates arrives sooner.
    """
    confirmed = [verdict for verdict in given if verdict.status is Status.CONFIRMED]
    rates = sorted(rate for rate in _rates(watched, confirmed) if rate >= LEAST_BYTES_PER_S)
    if not limits or not confirmed or not rates:
        return ()
    expected = _heap_rate(watched)
    if expected is None or expected < LEAST_BYTES_PER_S:
        expected = rates[0]
    return tuple(
        Outlook(
            limit=limit["name"],
            bytes=limit["bytes"],
            expected_s=max(0.0, limit["bytes"] - limit["used"]) / expected,
            soonest_s=max(0.0, limit["bytes"] - limit["used"]) / rates[-1],
            latest_s=max(0.0, limit["bytes"] - limit["used"]) / rates[0],
        )
        for limit in limits["limits"]
    )


def _rates(watched: Watched, confirmed: Iterable[Verdict]) -> Iterator[float]:
    heap = _heap_rate(watched)
    if heap is not None:
        yield heap
        yield sum(verdict.share or 0.0 for verdict in confirmed) * heap
    else:
        yield sum(verdict.bytes_per_s or 0.0 for verdict in confirmed)
    span = watched.samples[-1].t - watched.samples[0].t if watched.samples else 0.0
    if watched.resident is not None and span > 0:
        yield (watched.resident[1] - watched.resident[0]) / span


def _heap_rate(watched: Watched) -> float | None:
    growth = watched.heap_growth
    return growth[0] / growth[1] if growth is not None and growth[1] > 0 else None
