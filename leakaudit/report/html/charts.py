"""Curves as data: what a chart shows, whoever measured it. The page's script draws it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leakaudit.findings import Finding, Status
from leakaudit.findings.order import by_growth
from leakaudit.report.style import printable

if TYPE_CHECKING:
    from leakaudit.findings.report import RuntimeAudit, Series

Points = Sequence[tuple[float, float]]
#: More points than a screen has pixels only make the page heavy.
MOST_POINTS = 1200
#: Lines that an eye can tell apart.
MOST_LINES = 8
#: Moments that are drawn; each is a line from top to bottom.
MOST_MARKS = 60
_BYTES = ("B", "bytes")
_GROWING = (Status.CONFIRMED, Status.INCONCLUSIVE)


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: (seconds, value) in order of time. `overlay` draws it over a stack, not in it."""

    label: str
    points: tuple[tuple[float, float], ...]
    overlay: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over one axis. `unit` is "bytes" or a noun; `stacked` piles lines that have the same times."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    note: str = ""
    stacked: bool = False
    wide: bool = False
    marks: tuple[tuple[float, str], ...] = ()  # seconds, and what happened then

    def data(self) -> dict[str, object]:
        """Return what the page's script needs: one list of times, and per line a value (or null) for each."""
        lines = [thin(line.points) for line in self.lines]
        times = sorted({at for points in lines for at, _ in points})
        return {
            "unit": self.unit,
            "stacked": self.stacked,
            "times": times,
            "marks": [at for at, _ in self.marks[:MOST_MARKS]],
            "lines": [
                {
                    "label": printable(line.label),
                    "overlay": line.overlay,
                    "values": [found.get(at) for at in times],
                }
                for line, found in zip(self.lines, map(dict, lines))
            ],
        }


def thin(points: Points, most: int = MOST_POINTS) -> tuple[tuple[float, float], ...]:
    """Leave points out so that the curve looks the same: each stretch keeps its lowest and its highest."""
    if len(points) <= most:
        return tuple(points)
    step = len(points) * 2 / most
    kept: set[int] = {0, len(points) - 1}
    for part in range(most // 2):
        indexes = range(round(part * step), min(round((part + 1) * step), len(points)))
        kept.add(min(indexes, key=lambda index: points[index][1]))
        kept.add(max(indexes, key=lambda index: points[index][1]))
    return tuple(points[index] for index in sorted(kept))


def of_process(audit: RuntimeAudit, findings: Iterable[Finding]) -> tuple[Chart, ...]:
    """Return the charts of one process: its memory, its containers, and each further series of its own."""
    others = (series for series in audit.series if not series.part_of and series.unit not in _BYTES)
    charts = (
        memory(audit.series),
        containers(findings),
        *(Chart(_title(series), series.unit, (_line(series),), series.trend) for series in others),
    )
    drawn = (chart for chart in charts if any(len(line.points) > 1 for line in chart.lines))
    return tuple(replace(chart, marks=audit.marks) for chart in drawn)


def of_processes(audits: Iterable[tuple[str, RuntimeAudit]]) -> tuple[Chart, ...]:
    """Return one chart of the resident memory of several processes, those that gained most; none for a single one."""
    series = [
        (name, found)
        for name, audit in audits
        for found in audit.series
        if found.name == "rss" and len(found.points) > 1
    ]
    if len(series) < 2:
        return ()
    series.sort(key=lambda item: item[1].first - item[1].last)
    note = f"the {MOST_LINES} of {len(series)} that gained most" if len(series) > MOST_LINES else ""
    lines = tuple(Line(name, found.points) for name, found in series[:MOST_LINES])
    return (Chart("Resident memory of all processes", "bytes", lines, note, wide=True),)


def memory(found: Sequence[Series]) -> Chart:
    """Return the resident memory with what it consists of, piled up, the steadiest part at the bottom."""
    whole = [series for series in found if series.unit in _BYTES and not series.part_of]
    trend = next((series.trend for series in whole if series.name == "rss"), "")
    parts = sorted((series for series in found if series.part_of), key=_change)
    if not parts:
        return Chart("Resident memory", "bytes", tuple(map(_line, whole)), trend, wide=True)
    lines = (*map(_line, parts), *(Line(series.name, series.points, overlay=True) for series in whole))
    return Chart("Resident memory", "bytes", lines, trend, stacked=True, wide=True)


def containers(findings: Iterable[Finding]) -> Chart:
    """Return how the containers grew that grew most, and those that nobody could tell of yet."""
    grown = [
        finding
        for finding in by_growth(findings)
        if finding.verdict and finding.verdict.status in _GROWING and len(finding.verdict.points) > 1
    ]
    left = len(grown) - MOST_LINES
    note = f"the {MOST_LINES} with the largest share of {len(grown)} that grew" if left > 0 else ""
    lines = tuple(Line(f.symbol, f.verdict.points) for f in grown[:MOST_LINES] if f.verdict)
    return Chart("Entries of growing containers", "entries", lines, note, wide=True)


def _line(series: Series) -> Line:
    return Line(series.name, series.points)


def _change(series: Series) -> float:
    return abs(series.last - series.first)


def _title(series: Series) -> str:
    return {"blocks": "Blocks of Python's allocator", "descriptors": "Open descriptors"}.get(
        series.name, series.name[:1].upper() + series.name[1:]
    )
