"""What a process said of a finding, as text and as a small curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leakaudit.findings import Verdict
from leakaudit.report import units
from leakaudit.report.html.charts import thin
from leakaudit.report.style import printable
from leakaudit.report.text_runtime import WORDS, retains


@dataclass(frozen=True, slots=True)
class Said:
    """What one process said of a finding: figures as text, the curve as points of a drawing 100 wide and 24 high."""

    process: str
    status: str
    word: str
    reason: str
    entries: str
    gain: str
    memory: str
    share: str
    share_of_100: float
    curve: str
    path: tuple[str, ...]
    retains: str


def said_of(verdict: Verdict, process: str = "") -> Said:
    """Return the figures of a verdict; `process` names who gave it where there are several."""
    about = "" if verdict.exact_bytes else "about "
    entries = verdict.entries
    return Said(
        process=process,
        status=verdict.status.value,
        word=WORDS[verdict.status],
        reason=verdict.reason,
        entries="" if entries is None else f"{entries[0]:,} → {entries[1]:,}",
        gain="" if verdict.entries_per_s is None else units.rate(verdict.entries_per_s),
        memory="" if verdict.bytes_per_s is None else about + units.size_rate(verdict.bytes_per_s),
        share="" if verdict.share is None else units.share(verdict.share),
        share_of_100=round(100 * (verdict.share or 0.0), 1),
        curve=curve(verdict.points),
        path=tuple(map(printable, verdict.retaining_path)),
        retains=retains(verdict),
    )


def curve(points: Sequence[tuple[float, float]]) -> str:
    """Return points as those of an SVG polyline in a box 100 wide and 24 high; "" if there are too few."""
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return ""
    kept = thin(points, 120)
    start, span = kept[0][0], kept[-1][0] - kept[0][0]
    values = [value for _, value in kept]
    low, high = min(values), max(values)
    scale = 20 / (high - low) if high > low else 0.0
    return " ".join(f"{100 * (at - start) / span:.1f},{22 - (value - low) * scale:.1f}" for at, value in kept)
