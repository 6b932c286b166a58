"""Which part of the heap's growth each finding is answerable for, where several hold the same objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leakaudit.findings.model import Finding, SharedBytes, Status, Verdict

if TYPE_CHECKING:
    from leakaudit.runtime.census import Census
    from leakaudit.runtime.verdict import Watched

LEAST_HEAP_GROWTH = 32 * 1024  # bytes; of less, a share says nothing


@dataclass(frozen=True, slots=True)
class Holding:
    """What one finding holds at one moment, in bytes.

    `leak` is its part of it when what several findings hold is divided evenly among them (LeakShare: Vilk and Berger,
    "BLeak", 2018); `exclusive` is what no other finding holds; `shared` maps other groups to what both hold.
    """

    leak: float
    exclusive: int
    shared: Mapping[int, int]


def holding(group: int, rivals: frozenset[int], census: Census) -> Holding:
    """Return what a group of containers holds, divided among it and `rivals`."""
    leak, exclusive = 0.0, 0
    shared: dict[int, int] = {}
    for groups, size in census.parts:
        if group not in groups:
            continue
        others = (groups & rivals) - {group}
        leak += size / (1 + len(others))
        exclusive += 0 if others else size
        for other in others:
            shared[other] = shared.get(other, 0) + size
    return Holding(leak, exclusive, shared)


def attribute(
    findings: Sequence[Finding], judged: Sequence[Verdict], watched: Watched
) -> tuple[Verdict, ...]:
    """Return the verdicts with shares of the heap's growth that do not count anything twice.

    What confirmed findings hold in common is divided among them. Without censuses shares are estimates, of the growth
    of the resident memory.
    """
    confirmed = [n for n, verdict in enumerate(judged) if verdict.status is Status.CONFIRMED]
    if _measured(watched):
        return tuple(
            _divided(number, verdict, confirmed, findings, watched) for number, verdict in enumerate(judged)
        )
    return _estimated(judged, confirmed, watched)


def _measured(watched: Watched) -> bool:
    both = (watched.first, watched.last)
    return bool(watched.last and watched.last.parts) and all(
        census is not None and all(size.estimate is None for size in census.containers.values())
        for census in both
    )


def _divided(
    number: int, verdict: Verdict, confirmed: Sequence[int], findings: Sequence[Finding], watched: Watched
) -> Verdict:
    first, last = watched.first, watched.last
    assert first is not None and last is not None  # noqa: PT018 - for mypy
    if number not in last.containers:
        return verdict
    before, after = _rivals(confirmed, first), _rivals(confirmed, last)
    now = holding(last.containers[number].group, frozenset(after), last)
    if number not in confirmed:
        # What it holds and a confirmed finding holds too is that one's.
        begun = (
            holding(first.containers[number].group, frozenset(before), first)
            if number in first.containers
            else None
        )
        gain = now.exclusive - (begun.exclusive if begun else 0)
        return replace(verdict, share=share(gain, watched))
    was = (
        holding(first.containers[number].group, frozenset(before), first).leak
        if number in first.containers
        else 0.0
    )
    shared = tuple(
        SharedBytes(findings[after[group]].symbol, size)
        for group, size in sorted(now.shared.items(), key=lambda item: -item[1])
    )
    return replace(
        verdict,
        share=share(now.leak - was, watched),
        exclusive_bytes=now.exclusive,
        shared_with=shared,
        reason=verdict.reason + _overlap(number, last, confirmed, findings),
    )


def _rivals(confirmed: Iterable[int], census: Census) -> dict[int, int]:
    """Return group -> one of the confirmed findings that name its containers."""
    found: dict[int, int] = {}
    for number in confirmed:
        if number in census.containers:
            found.setdefault(census.containers[number].group, number)
    return found


def _overlap(number: int, census: Census, confirmed: Sequence[int], findings: Sequence[Finding]) -> str:
    """Say which confirmed findings hold this one's containers, or are held by them."""
    sizes = census.containers
    own = sizes[number]
    alike = {n for n in confirmed if n != number and n in sizes and sizes[n].group == own.group}
    holds = {n for n in confirmed if n in sizes and sizes[n].group in own.holds}
    held = {n for n in confirmed if n in sizes and own.group in sizes[n].holds}
    told = [f"holds {_names(holds - held, findings)}"] if holds - held else []
    told += [f"is held by {_names(held - holds, findings)}"] if held - holds else []
    text = f"; it {' and '.join(told)}, and what both hold is divided between them" if told else ""
    return text + (f"; {_codes(alike, findings)} names the same container" if alike else "")


def _names(numbers: set[int], findings: Sequence[Finding]) -> str:
    return ", ".join(sorted({findings[number].symbol for number in numbers}))


def _codes(numbers: set[int], findings: Sequence[Finding]) -> str:
    return ", ".join(sorted({findings[number].rule for number in numbers}))


def _estimated(judged: Sequence[Verdict], confirmed: Sequence[int], watched: Watched) -> tuple[Verdict, ...]:
    """Return verdicts with shares from estimates; together they are at most the whole growth."""
    gains = {
        number: max(0, pair[1] - pair[0])
        for number in confirmed
        if (pair := judged[number].bytes) is not None
    }
    total = sum(gains.values())
    growth = growth_bytes(watched)
    if growth is None or max(growth, total) < LEAST_HEAP_GROWTH:
        return tuple(judged)
    whole = max(growth, total)
    return tuple(
        replace(verdict, share=gains[number] / whole) if number in gains else verdict
        for number, verdict in enumerate(judged)
    )


def growth_bytes(watched: Watched) -> float | None:
    """Return how much the heap has grown, or, where no census tells, the resident memory; None where unknown."""
    if watched.heap_growth is not None:
        return watched.heap_growth[0]
    return None if watched.resident is None else watched.resident[1] - watched.resident[0]


def share(gain: float, watched: Watched) -> float | None:
    """Return which part of the heap's growth a gain of bytes is; None where the heap did not grow to speak of."""
    growth = watched.heap_growth
    if growth is None or growth[0] < LEAST_HEAP_GROWTH:
        return None
    return min(1.0, max(0.0, gain / growth[0]))
