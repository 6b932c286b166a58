"""A Markdown summary, for $GITHUB_STEP_SUMMARY and for comments on merge requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from leakaudit.findings import Finding, Status
from leakaudit.findings.order import by_growth
from leakaudit.report import units
from leakaudit.report.markdown_text import block, cell, code, plain, prose
from leakaudit.report.text_runtime import WORDS, outlook, retains
from leakaudit.report.text_runtime import summary as runtime_summary
from leakaudit.report.text_scan import summary as scan_summary
from leakaudit.report.told import posix, told

if TYPE_CHECKING:
    from leakaudit.findings import Location
    from leakaudit.findings.report import Report, RuntimeAudit, Unexplained
    from leakaudit.report import View

#: A comment on GitHub ends at 65,536 characters.
MOST_ROWS = 50
MOST_DETAILS = 15


def render(report: Report, view: View) -> str:
    """Return a heading, a table, and the most important findings in full."""
    lines = (*_head(report), *_table(report), *_details(report, view), *_rest(report))
    return "\n".join(lines) + "\n"


def _head(report: Report) -> Iterator[str]:
    audit = report.runtime
    if audit is None:
        found = units.count(len(report.shown), "finding") if report.shown else "nothing found"
        yield from (f"## leakaudit: {found}", "", plain(scan_summary(report)), "")
        return
    yield from (f"## leakaudit: {len(report.confirmed)} confirmed in process {audit.pid}", "")
    if audit.command:
        yield from (code(audit.command), "")
    how = f"Python {audit.python}, {audit.method}" if audit.python else audit.method
    yield f"{plain(how)}; {_watched(audit)}. {plain(runtime_summary(report))}."
    yield ""
    yield from (f"{plain(text)}  " for text in outlook(audit))
    if audit.ended_early:
        yield from (f"**Ended early:** {plain(audit.ended_early)}", "")


def _watched(audit: RuntimeAudit) -> str:
    text = f"{units.count(audit.samples, 'sample')} in {units.seconds(audit.duration_s)}"
    growth = audit.heap_growth_bytes_per_s
    return text if growth is None else f"{text}; heap {'+' if growth > 0 else ''}{units.size_rate(growth)}"


def _table(report: Report) -> Iterator[str]:
    rows = [f for f in by_growth(report.findings) if f.verdict] if report.runtime else list(told(report))
    if not rows:
        return
    if report.runtime:
        yield "| Verdict | What | Gain | Memory | Share | Where |"
        yield "|---|---|--:|--:|--:|---|"
    else:
        yield "| Confidence | Rule | What | Where |"
        yield "|---|---|---|---|"
    yield from (_row(finding) for finding in rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        yield from ("", f"… and {len(rows) - MOST_ROWS:,} more.")
    yield ""


def _row(finding: Finding) -> str:
    verdict = finding.verdict
    where = cell(f"{posix(finding.location.path)}:{finding.location.line}")
    if verdict is None:
        cells = (
            finding.confidence.value,
            f"{finding.rule} {plain(finding.name)}",
            cell(finding.symbol),
            where,
        )
        return f"| {' | '.join(cells)} |"
    word = f"**{WORDS[verdict.status]}**" if verdict.status is Status.CONFIRMED else WORDS[verdict.status]
    gain = "" if verdict.entries_per_s is None else units.rate(verdict.entries_per_s)
    memory = "" if verdict.bytes_per_s is None else units.size_rate(verdict.bytes_per_s)
    share = "" if verdict.share is None else units.share(verdict.share)
    return f"| {word} | {finding.rule} {cell(finding.symbol)} | {gain} | {memory} | {share} | {where} |"


def _details(report: Report, view: View) -> Iterator[str]:
    for finding in told(report)[:MOST_DETAILS]:
        place = finding.location
        yield f"### {finding.rule} {code(finding.symbol)}"
        yield ""
        yield f"{prose(finding.message)} ({_at(finding)}, {finding.confidence.value} confidence)"
        yield ""
        line = view.source_line(place.path, place.line)
        if line is not None:
            yield from (block(line.strip()[:300], "python"), "")
        yield from _points(finding)
        yield ""


def _points(finding: Finding) -> Iterator[str]:
    verdict = finding.verdict
    if verdict is not None:
        yield f"- **{WORDS[verdict.status]}:** {prose(verdict.reason)}"
        if held := retains(verdict):
            yield f"- {plain(held)}"
        if verdict.retaining_path:
            yield f"- kept by {_path(verdict.retaining_path)}"
    for item in finding.related:
        yield f"- {_place(item.location)}: {prose(item.message)}"
    yield from (f"- {prose(text)}" for text in finding.notes)
    yield from (f"- **Help:** {prose(text)}" for text in finding.help)


def _rest(report: Report) -> Iterator[str]:
    audit = report.runtime
    if audit is not None and audit.unexplained:
        yield from ("### Growth that no finding explains", "")
        yield from (_unexplained(item) for item in audit.unexplained)
        yield ""
    if report.errors:
        yield from ("### Could not be read", "")
        yield from (f"- {code(posix(error.path))}: {plain(error.reason)}" for error in report.errors)
        yield ""
    notes = (*(audit.notes if audit else ()), *report.notes)
    yield from (f"> {prose(note)}  " for note in notes)


def _unexplained(item: Unexplained) -> str:
    first, last = item.count
    unit = "entries" if item.symbol else "objects"
    text = f"- {code(item.symbol or item.type_name)}: {first:,} to {last:,} {unit}, {units.rate(item.count_per_s)}"
    if item.share is not None:
        text += f", {units.share(item.share)} of growth"
    if item.reason:
        text += f"; {prose(item.reason)}"
    if item.path is not None:
        text += f"; declared nearby: {code(f'{posix(item.path)}:{item.line}')}"
    return f"{text}; kept by {_path(item.retaining_path)}" if item.retaining_path else text


def _path(steps: Sequence[str]) -> str:
    return " → ".join(code(step) for step in steps)


def _at(finding: Finding) -> str:
    return _place(finding.location)


def _place(place: Location) -> str:
    return code(f"{posix(place.path)}:{place.line}")
