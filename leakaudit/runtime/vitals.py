"""What the operating system tells about the target while the agent samples: one series per figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leakaudit.findings.report import Series
from leakaudit.process.sampler import Sampler
from leakaudit.process.trend import FLOOR_BYTES, FLOOR_COUNT, classify

_UNITS = {"rss": "bytes", "threads": "threads", "descriptors": "descriptors", "blocks": "blocks"}


class Vitals:
    """Reads one process from outside."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._sampler = Sampler()

    def take(self) -> dict[str, float] | None:
        """Return the figures of this moment, None if the process is gone."""
        sample = self._sampler.take((self._pid,)).get(self._pid)
        if sample is None:
            return None
        figures = {"rss": float(sample.rss), "threads": float(sample.threads)}
        if sample.details.descriptors is not None:
            figures["descriptors"] = float(sample.details.descriptors.total)
        return figures


def series(records: Iterable[Mapping[str, Any]]) -> tuple[Series, ...]:
    """Return the series in records that hold `t` and figures by name."""
    points: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        for name in _UNITS:
            if name in record:
                points.setdefault(name, []).append((record["t"], float(record[name])))
    return tuple(_series(name, found) for name, found in points.items())


def _series(name: str, points: Sequence[tuple[float, float]]) -> Series:
    start = points[0][0]
    values = [value for _, value in points]
    floor = FLOOR_BYTES if name == "rss" else FLOOR_COUNT
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
