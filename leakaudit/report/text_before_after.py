"""What changed between two looks at a program, as text."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.findings.before_after import BeforeAfter, Change, Fate
from leakaudit.findings.model import Status, Verdict
from leakaudit.report import units
from leakaudit.report.style import Style, relative, wrap

_COLOR = {Fate.CURED: "green", Fate.UNKNOWN: "yellow", Fate.STILL: "red", Fate.NEW: "red"}
_ROW = "{:<13} {:>22} {:>22}"


def lines(found: BeforeAfter, width: int, *, color: bool) -> Iterator[str]:
    """Yield each growth with its rates before and after, then the sum."""
    style = Style(color)
    if found.changes:
        yield style.paint(_ROW.format("", "before", "after"), "dim")
    for change in found.changes:
        row = _ROW.format(change.fate.value, _rate(change.before), _rate(change.after)).rstrip()
        yield style.paint(change.fate.value, _COLOR[change.fate], "bold") + row[len(change.fate.value) :]
        yield from wrap(_name(change), width, "  ")
        yield from wrap(change.reason, width, "  ")
    if found.heap_before is not None and found.heap_after is not None:
        yield f"heap growth: {_signed(found.heap_before)} before, {_signed(found.heap_after)} after"
    yield style.paint(summary(found), "green" if found.passed else "red", "bold")


def summary(found: BeforeAfter) -> str:
    """Say in one line whether the cure has cured."""
    if not found.changes:
        return "passed: nothing was confirmed to grow, before or after"
    tally = ", ".join(f"{len(found.of(fate))} {_word(fate)}" for fate in Fate if found.of(fate))
    return f"{'passed' if found.passed else 'failed'}: {tally}"


def _word(fate: Fate) -> str:
    return {Fate.STILL: "still growing", Fate.UNKNOWN: "not to be told"}.get(fate, fate.value)


def _name(change: Change) -> str:
    if change.finding is None:
        return f"{change.symbol} (no finding)"
    place = change.finding.location
    return f"{change.finding.rule} {change.symbol} ({relative(place.path)}:{place.line})"


def _rate(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    if verdict.status is Status.CONFIRMED and verdict.entries_per_s is not None:
        size = "" if verdict.bytes_per_s is None else f" {units.size_rate(verdict.bytes_per_s)}"
        return f"{units.rate(verdict.entries_per_s)}{size}"
    return verdict.status.value.replace("-", " ")


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{units.size_rate(value)}"
