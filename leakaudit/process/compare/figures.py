"""What one run comes to: its peak, its end, its trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, median_low

from leakaudit.process.compare.recording import Recording, Snapshot
from leakaudit.process.marks import Points
from leakaudit.process.trend import FLOOR_BYTES, Trend, classify

LAST = 0.05  # of the samples: in which a run may already take itself apart
TAKEN_APART = 0.1  # of the memory
AT_THE_END = 0.1  # of the samples
LEAVING = 0.25  # of the samples: longer than that with fewer processes is work, not leaving


@dataclass(frozen=True, slots=True)
class Reading:
    """How runs are read: what to leave out at their start, in seconds or as a share of each run; and the smallest
    change in bytes that is worth a word.
    """

    warmup_s: float = 0.0
    warmup_share: float = 0.0
    floor: float = FLOOR_BYTES


@dataclass(frozen=True, slots=True)
class Figures:
    """Bytes at the peak and at the end (the median of the last tenth), seconds, and the trend after the warm-up.

    `points` are (seconds, bytes) of the whole run, without its exit.
    """

    repeat: int
    points: Points
    peak: float
    end: float
    seconds: float
    processes: int
    trend: Trend


def figures(recording: Recording, reading: Reading) -> Figures:
    """Measure a run that ended well; the warm-up is left out of the trend and the end, not of the peak."""
    snapshots = recording.snapshots
    points = without_exit([(s.t, float(s.memory)) for s in without_leaving(snapshots)])
    start = max(reading.warmup_s, reading.warmup_share * (points[-1][0] if points else 0.0))
    settled = [point for point in points if point[0] >= start] or points[-1:]
    tail = settled[-max(1, int(AT_THE_END * len(settled))) :]
    return Figures(
        repeat=recording.repeat,
        points=points,
        peak=float(max((max(s.memory, s.peak) for s in snapshots), default=0)),
        end=median(value for _, value in tail) if tail else 0.0,
        seconds=recording.ending.seconds,
        processes=max((s.processes for s in snapshots), default=0),
        trend=classify(settled, reading.floor),
    )


def without_leaving(snapshots: Sequence[Snapshot]) -> Sequence[Snapshot]:
    """Cut off where the processes of a run end one after the other: after the last sample with the usual number.

    Each one that goes takes its memory along, and what all had gained before would seem to have been given back.
    """
    if not snapshots:
        return snapshots
    usual = median_low(s.processes for s in snapshots)
    last = max(i for i, s in enumerate(snapshots) if s.processes >= usual)
    return snapshots[: last + 1] if last >= (1 - LEAVING) * len(snapshots) else snapshots


def without_exit(points: Sequence[tuple[float, float]]) -> Points:
    """Cut off where a program that ends gives its memory back: a fall without return in the last samples.

    One such sample would be the low-water mark of the whole run.
    """
    tail = max(3, int(LAST * len(points)))
    start = len(points) - 1
    while start > len(points) - tail and start > 0 and points[start - 1][1] >= points[start][1]:
        start -= 1
    fallen = bool(points) and points[start][1] - points[-1][1] > TAKEN_APART * points[start][1]
    return points[: start + 1] if fallen else points
