"""The recorded traces in halves, with what is true of each: whether it leaks, how fast, and whether RSS can show it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

import trace_more
import trace_programs

from leakaudit.process.marks import jitter

TRACES = Path(__file__).resolve().parent.parent / "tests" / "data" / "traces"
KIB = 1024.0
# The least growth that anyone could see, set before a service's recording was looked at: what leaks in the window, the
# share of it that has to show in the low-water marks of the last quarter over those of the first, and in terms of noise.
LEAST_LEAKED = 1024 * KIB
LEAST_SHOWN = 0.5
LEAST_NOISES = 4.0
QUARTERS_APART = 0.75

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Trace:
    """One recording: RSS in bytes over seconds, and bytes leaked per second as the program itself counts them."""

    program: str
    python: str
    leaks: bool
    leaked_per_s: float
    points: Points

    @property
    def visible(self) -> bool:
        """Whether the leak is large enough for RSS to show it, by the limits above."""
        span, quarter = self.points[-1][0] - self.points[0][0], len(self.points) // 4
        values = [v for _, v in self.points]
        shown = min(values[-quarter:]) - min(values[:quarter])
        due = QUARTERS_APART * span * self.leaked_per_s
        noise = LEAST_NOISES * jitter(self.points)
        return self.leaked_per_s * span >= LEAST_LEAKED and shown >= max(LEAST_SHOWN * due, noise)


def programs(fit: bool) -> Iterator[Trace]:
    """Yield the first programs of one half: every other one, in the order of the source, without the long ones."""
    names = _half(trace_programs, fit)
    for path in sorted(TRACES.glob("*-py*.json")):
        trace = json.loads(path.read_text())
        if trace["program"] in names and not path.stem.endswith("-long"):
            yield _trace(trace, float(trace["leaked_bytes_per_s"]))


def harder(fit: bool) -> Iterator[Trace]:
    """Yield the harder programs of one half, chosen like the first ones."""
    names = _half(trace_more, fit)
    for line in _lines("more"):
        if line["program"] in names:
            yield _trace(line, float(line["leaked_bytes_per_s"]))


def services(fit: bool) -> Iterator[Trace]:
    """Yield the services of one half: every other one by name, of those that leak and of the others."""
    lines = list(_lines("services"))
    truth = json.loads((TRACES / "services-truth.json").read_text())
    for leaks in (False, True):
        names = sorted({line["program"] for line in lines if line["leaks"] is leaks})
        chosen = set(names[0 if fit else 1 :: 2])
        for line in lines:
            if line["leaks"] is leaks and line["program"] in chosen:
                yield _trace(line, float(truth[line["program"]] or 0))


def _half(module: ModuleType, fit: bool) -> set[str]:
    first = 0 if fit else 1
    return {program.__name__ for group in (module.LEAK_FREE, module.LEAKING) for program in group[first::2]}


def _lines(stem: str) -> Iterator[dict[str, Any]]:
    for path in sorted(TRACES.glob(f"{stem}-py*.jsonl")):
        yield from map(json.loads, path.read_text().splitlines())


def _trace(line: dict[str, Any], leaked: float) -> Trace:
    rss, interval = accumulate(line["rss_kib"]), float(line["interval_s"])
    points = [(i * interval, kib * KIB) for i, kib in enumerate(rss)]
    return Trace(line["program"], line["python"], line["leaks"], leaked, points)
