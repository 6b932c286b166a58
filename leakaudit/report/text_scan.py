"""The static half's findings as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.findings import Confidence, Evidence, Finding
from leakaudit.findings.order import by_place
from leakaudit.report.snippet import snippet
from leakaudit.report.style import Style, printable, printable_path, wrap
from leakaudit.report.units import count, seconds

if TYPE_CHECKING:
    from leakaudit.findings.report import Report
    from leakaudit.report import View

LEVEL_COLOR = {Confidence.HIGH: "red", Confidence.MEDIUM: "yellow", Confidence.LOW: "cyan"}


def lines(report: Report, view: View) -> Iterator[str]:
    """Yield the findings that are shown, then what could not be read, notes and the summary."""
    shown = by_place(report.shown)
    for finding in shown:
        yield from finding_lines(finding, view)
        yield ""
    yield from error_lines(report, view)
    if not view.brief:
        yield from note_lines(report.notes, view)
    if view.statistics:
        yield from _statistics(shown)
    if not view.brief:
        if shown:
            yield f"what a rule means and how to mend it: leakaudit explain {shown[0].rule}"
        yield from wrap(summary(report), view.width)


def finding_lines(finding: Finding, view: View) -> Iterator[str]:
    """Yield one finding: place and rule, message, drawing, reasons, notes and help."""
    style = Style(view.color)
    place = finding.location
    head = style.paint(f"{printable_path(place.path)}:{place.line}:{place.column}", "bold")
    level = style.paint(f"[{finding.confidence.value}]", LEVEL_COLOR[finding.confidence], "bold")
    yield f"{head} {style.paint(finding.rule, 'bold')} {finding.name} {level}"
    yield from (style.paint(line, "bold") for line in wrap(finding.message, view.width, "  "))
    drawing = snippet(finding, view)
    yield from drawing
    gutter = " " * (len(drawing[0]) - len(drawing[0].lstrip()))
    for word, text in _remarks(finding):
        first = f"{gutter}= {word}: "
        yield from _painted(wrap(text, view.width, first, " " * min(len(first), 14)), word, style)


def error_lines(report: Report, view: View) -> Iterator[str]:
    """Yield a line for each file that could not be audited."""
    style = Style(view.color)
    for error in report.errors:
        place = error.path if error.line is None else f"{error.path}:{error.line}"
        yield f"{printable_path(place)}: {style.paint('could not be read', 'yellow')}: {printable(error.reason)}"
    if report.errors:
        yield ""


def note_lines(notes: tuple[str, ...], view: View) -> Iterator[str]:
    """Yield the report's notes."""
    for note in notes:
        yield from wrap(note, view.width, "note: ", "      ")
    if notes:
        yield ""


def summary(report: Report) -> str:
    """Say in one line what was found, what was not shown, and what was read."""
    shown = report.shown
    levels = Counter(finding.confidence for finding in shown)
    split = ", ".join(f"{levels[level]} {level.value}" for level in Confidence if levels[level])
    parts = [count(len(shown), "finding") + (f" ({split})" if split else "")]
    if report.suppressed:
        parts.append(f"{len(report.suppressed):,} suppressed")
    active = Counter(finding.confidence for finding in report.findings if finding.suppressed is None)
    hidden = active - levels
    parts += [f"{hidden[level]:,} {level.value}-confidence hidden" for level in Confidence if hidden[level]]
    if report.demoted:
        parts.append(f"{len(report.demoted):,} demoted (in tests or generated files)")
    if report.fixed:
        parts.append(f"{len(report.fixed):,} fixed")
    parts.append(f"{count(report.files, 'file')}, {count(report.lines, 'line')} in {seconds(report.seconds)}")
    if report.errors:
        parts.append(f"{count(len(report.errors), 'file')} could not be read")
    return "; ".join(parts)


def _remarks(finding: Finding) -> Iterator[tuple[str, str]]:
    told = (finding.message, *(item.message for item in finding.related), *finding.notes)
    for item in finding.evidence:
        if not any(item.reason in text for text in told):
            yield item.fact, _reason(item, finding)
    yield from (("note", text) for text in finding.notes)
    yield from (("help", text) for text in finding.help)
    if finding.fix is not None:
        yield "fix", f"{finding.fix.description} ({'safe' if finding.fix.safe else 'unsafe'})"
    if finding.probe is not None:
        yield "watch", f"{finding.symbol} (leakaudit runtime PID)"


def _reason(item: Evidence, finding: Finding) -> str:
    place = item.location
    places = {(at.path, at.line) for at in (finding.location, *(other.location for other in finding.related))}
    if place is None or (place.path, place.line) in places:
        return item.reason
    return f"{item.reason} ({place.path}:{place.line})"


def _painted(rows: list[str], word: str, style: Style) -> Iterator[str]:
    color = {"help": "green", "fix": "green", "watch": "cyan"}.get(word, "blue")
    first, *rest = rows
    yield first.replace(f"{word}:", style.paint(f"{word}:", color, "bold"), 1)
    yield from rest


def _statistics(shown: tuple[Finding, ...]) -> Iterator[str]:
    tally = Counter((finding.rule, finding.name) for finding in shown)
    for (rule, name), times in sorted(tally.items(), key=lambda item: (-item[1], item[0])):
        yield f"{times:>6,}  {rule}  {name}"
    if tally:
        yield ""
