"""What the operating system tells about the target while the agent samples: one series per figure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leakaudit.findings.report import Series
from leakaudit.process import allocator
from leakaudit.process.sampler import Sampler
from leakaudit.process.trend import FLOOR_BYTES, FLOOR_COUNT, classify

_UNITS = {
    "rss": "bytes",
    "threads": "threads",
    "descriptors": "descriptors",
    "blocks": "blocks",
    "cuda allocated": "bytes",
    "cuda reserved": "bytes",
}
#: The account of the memory takes the kernel a walk over all pages: that much of the time at most goes into it.
_ACCOUNT_SHARE = 0.01
#: Parts of the resident memory that are told apart, and the least of it that a part has to be; the rest is `other`.
_MOST_PARTS = 6
_LEAST_PART = 0.01
_OTHER = "other"


class Vitals:
    """Reads one process from outside."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._sampler = Sampler()
        self._next_account = 0.0

    def take(self) -> dict[str, Any] | None:
        """Return the figures of this moment, None if the process is gone."""
        sample = self._sampler.take((self._pid,)).get(self._pid)
        if sample is None:
            return None
        figures: dict[str, Any] = {"rss": float(sample.rss), "threads": float(sample.threads)}
        if sample.details.descriptors is not None:
            figures["descriptors"] = float(sample.details.descriptors.total)
        parts = self._account()
        return {**figures, "parts": parts} if parts else figures

    def _account(self) -> dict[str, int]:
        began = time.monotonic()
        if began < self._next_account:
            return {}
        account = allocator.account(self._pid)
        took = time.monotonic() - began
        self._next_account = began + took / _ACCOUNT_SHARE
        return account.as_dict() if account else {}


def series(records: Iterable[Mapping[str, Any]]) -> tuple[Series, ...]:
    """Return the series in records that hold `t` and figures by name, and what the resident memory consisted of."""
    points: dict[str, list[tuple[float, float]]] = {}
    parts: list[tuple[float, Mapping[str, int]]] = []
    for record in records:
        for name in _UNITS:
            if name in record:
                points.setdefault(name, []).append((record["t"], float(record[name])))
        if record.get("parts"):
            parts.append((record["t"], record["parts"]))
    return (*(_series(name, found) for name, found in points.items()), *_parts(parts))


def _parts(found: Sequence[tuple[float, Mapping[str, int]]]) -> Iterable[Series]:
    """Yield the largest parts of the resident memory, and what is left of it."""
    if not found:
        return
    start, last = found[0][0], found[-1][1]
    least = _LEAST_PART * sum(last.values())
    names = [name for name in sorted(last, key=lambda name: -last[name])[:_MOST_PARTS] if last[name] >= least]
    curves = {name: [float(parts.get(name, 0)) for _, parts in found] for name in names}
    curves[_OTHER] = [float(sum(b for name, b in parts.items() if name not in names)) for _, parts in found]
    for name, values in curves.items():
        if any(values):
            points = tuple((round(t - start, 3), value) for (t, _), value in zip(found, values, strict=True))
            yield Series(name, "bytes", values[0], values[-1], max(values), "", points, part_of="rss")


def _series(name: str, points: Sequence[tuple[float, float]]) -> Series:
    start = points[0][0]
    values = [value for _, value in points]
    floor = FLOOR_BYTES if _UNITS[name] == "bytes" else FLOOR_COUNT
    trend = classify(tuple((t - start, value) for t, value in points), floor, exact=name != "rss")
    return Series(
        name=name,
        unit=_UNITS[name],
        first=values[0],
        last=values[-1],
        largest=max(values),
        trend=trend.shape.value,
        points=tuple((round(t - start, 3), value) for t, value in points),
    )
