"""What a live process said, as text: verdicts, growth that no finding explains, vitals, and what the audit cost it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.findings import Finding, Status, Suppression, Verdict
from leakaudit.findings.order import by_growth
from leakaudit.report import units
from leakaudit.report.style import Style, printable, relative, wrap
from leakaudit.report.text_scan import error_lines, note_lines

if TYPE_CHECKING:
    from leakaudit.findings.report import Report, RuntimeAudit, Series, Unexplained
    from leakaudit.report import View

WORDS = {
    Status.CONFIRMED: "confirmed",
    Status.BOUNDED: "bounded",
    Status.INCONCLUSIVE: "inconclusive",
    Status.UNRESOLVED: "unresolved",
    Status.NOT_GROWING: "not growing",
}
_COLOR = {Status.CONFIRMED: "red", Status.BOUNDED: "yellow", Status.NOT_GROWING: "green"}
#: What is cleared or could not be looked up is told briefly; the JSON has all of it.
_MOST = {Status.NOT_GROWING: 10, Status.UNRESOLVED: 5}
_ROW = "{:<13} {:>21} {:>12} {:>13} {:>8}"


def lines(report: Report, view: View) -> Iterator[str]:
    """Yield the whole report on a process."""
    audit = report.runtime
    assert audit is not None
    yield from _head(audit, len(report.processes), view)
    yield ""
    yield from _verdicts(report, view)
    yield from _unexplained(audit, view)
    if not view.brief:
        yield from _vitals(audit, view)
        yield from _account(audit, view)
        yield from _outlook(audit, view)
        yield from error_lines(report, view)
        yield from note_lines((*audit.notes, *report.notes), view)
    yield from _cost(audit, view)
    if audit.python:
        yield from wrap(summary(report), view.width)


def summary(report: Report) -> str:
    """Say in one line how many findings the process confirmed and cleared."""
    tally = Counter(finding.verdict.status for finding in report.findings if finding.verdict)
    parts = [f"{tally[status]:,} {word}" for status, word in WORDS.items() if tally[status]]
    audit = report.runtime
    unexplained = len(audit.unexplained) if audit else 0
    asked = units.count(sum(tally.values()), "finding")
    split = f": {', '.join(parts)}" if parts else ""
    return f"{asked} checked{split}; {units.count(unexplained, 'unexplained growth', 'unexplained growths')}"


def _head(audit: RuntimeAudit, among: int, view: View) -> Iterator[str]:
    style = Style(view.color)
    command = f" ({printable(' '.join(audit.command.split()))})" if audit.command else ""
    who = f"{among} processes" if among else f"process {audit.pid}"
    title = f"{who}{command}"
    cropped = title if len(title) <= view.width else f"{title[: view.width - 5]} ...)"
    yield style.paint(cropped, "bold")
    watched = f"{units.count(audit.samples, 'sample')} in {units.seconds(audit.duration_s)}"
    growth = audit.heap_growth_bytes_per_s
    heap = "" if growth is None else f"; heap {'+' if growth > 0 else ''}{units.size_rate(growth)}"
    how = f"Python {audit.python}, {audit.method}" if audit.python else audit.method
    yield from wrap(f"{how}; {watched}{heap}", view.width)
    if audit.ended_early:
        yield from (
            style.paint(row, "yellow") for row in wrap(f"ended early: {audit.ended_early}", view.width)
        )


def _verdicts(report: Report, view: View) -> Iterator[str]:
    style = Style(view.color)
    told = [finding for finding in by_growth(report.findings) if finding.verdict is not None]
    if told:
        row = _ROW.format("verdict", "entries", "gain", "memory", "share").rstrip()
        yield style.paint(_fitting(row, view), "dim")
    left = dict(_MOST)
    passed: Counter[Status] = Counter()
    for finding in told:
        assert finding.verdict is not None
        status = finding.verdict.status
        left[status] = left.get(status, len(told)) - 1
        if left[status] < 0:
            passed[status] += 1
            continue
        yield from _verdict(finding, finding.verdict, view)
    for status, times in passed.items():
        yield f"... and {times:,} more {WORDS[status]}"
    if told:
        yield ""


def _verdict(finding: Finding, verdict: Verdict, view: View) -> Iterator[str]:
    style = Style(view.color)
    row = _ROW.format(
        WORDS[verdict.status],
        "" if verdict.entries is None else _from_to(*verdict.entries),
        "" if verdict.entries_per_s is None else units.rate(verdict.entries_per_s),
        ""
        if verdict.bytes_per_s is None
        else ("" if verdict.exact_bytes else "~") + units.size_rate(verdict.bytes_per_s),
        "" if verdict.share is None else units.share(verdict.share),
    ).rstrip()
    word = WORDS[verdict.status]
    yield style.paint(word, _COLOR.get(verdict.status, "cyan"), "bold") + _fitting(row, view)[len(word) :]
    place = f"{relative(finding.location.path)}:{finding.location.line}"
    yield from wrap(f"{finding.rule} {finding.symbol} ({place})", view.width, "  ")
    yield from wrap(verdict.reason, view.width, "  ")
    if finding.suppressed is not None:
        yield from wrap(f"the scan is silent about it: {_why(finding.suppressed)}", view.width, "  ")
    if verdict.status is Status.CONFIRMED:
        yield from wrap(finding.message, view.width, "  ")
        yield from (
            line
            for place in finding.related
            for line in _related(place.message, place.location.path, place.location.line, view)
        )
        yield from _path(verdict.retaining_path, view)
        if held := retains(verdict):
            yield from wrap(held, view.width, "    ", "      ")
        yield from (
            line for text in finding.help[:1] for line in wrap(text, view.width, "  help: ", "        ")
        )


def _related(message: str, path: str, line: int, view: View) -> list[str]:
    return wrap(f"{relative(path)}:{line}: {message}", view.width, "    ", "      ")


def retains(verdict: Verdict) -> str:
    """Say how what a container retains is divided with others; "" where it shares nothing."""
    if verdict.exclusive_bytes is None or verdict.bytes is None or not verdict.shared_with:
        return ""
    shared = ", ".join(f"{units.size(part.bytes)} also held by {part.symbol}" for part in verdict.shared_with)
    alone = units.size(verdict.exclusive_bytes)
    return f"retains {units.size(verdict.bytes[1])}: {alone} held by nothing else, {shared}"


def _path(steps: tuple[str, ...], view: View) -> Iterator[str]:
    if steps:
        yield from wrap("kept by " + " -> ".join(steps), view.width, "    ", "      ")


def _unexplained(audit: RuntimeAudit, view: View) -> Iterator[str]:
    if not audit.unexplained:
        return
    style = Style(view.color)
    yield style.paint("growth that no finding explains", "bold")
    for item in audit.unexplained:
        yield from wrap(_unexplained_row(item), view.width, "  ", "    ")
        if item.symbol:
            place = f" ({relative(item.path)}:{item.line})" if item.path is not None else ""
            yield from wrap(f"{item.symbol}{place}", view.width, "    ")
            yield from wrap(item.reason, view.width, "    ")
        elif item.path is not None:
            yield from wrap(f"declared nearby: {relative(item.path)}:{item.line}", view.width, "    ")
        yield from _path(item.retaining_path, view)
    yield ""


def _unexplained_row(item: Unexplained) -> str:
    what = "entries" if item.symbol else "objects"
    figures = [f"{_from_to(*item.count)} {what}", units.rate(item.count_per_s)]
    if item.bytes_per_s is not None:
        figures.append(units.size_rate(item.bytes_per_s))
    if item.share is not None:
        figures.append(f"{units.share(item.share)} of growth")
    return f"{item.type_name}: {', '.join(figures)}"


def _vitals(audit: RuntimeAudit, view: View) -> Iterator[str]:
    if not audit.series:
        return
    style = Style(view.color)
    head = f"{'vitals':<20} {'first':>11} {'last':>11} {'largest':>11}  trend"
    yield style.paint(_fitting(head, view), "dim")
    for series in (series for series in audit.series if not series.part_of):
        first, last, largest = (
            _figure(value, series) for value in (series.first, series.last, series.largest)
        )
        row = f"{printable(series.name):<20} {first:>11} {last:>11} {largest:>11}  {series.trend}"
        yield _fitting(row.rstrip(), view)
    yield ""


def _account(audit: RuntimeAudit, view: View) -> Iterator[str]:
    if not audit.rss_account:
        return
    total = units.size(sum(size for _, size in audit.rss_account))
    yield Style(view.color).paint(f"where the resident memory is, {total} in all", "dim")
    for name, value in audit.rss_account:
        yield f"{printable(name):<44} {units.size(value):>11}"
    yield ""


def outlook(audit: RuntimeAudit) -> Iterator[str]:
    """Yield when limits of memory will be reached, and what the process gave back when asked."""
    for item in audit.outlook:
        when = units.hours(item.expected_s)
        spread = f"between {units.hours(item.soonest_s)} and {units.hours(item.latest_s)}"
        yield f"at this rate {item.limit} ({units.size(item.bytes)}) is reached in {when} ({spread})"
    back = audit.reclaimed
    if back is not None:
        text = (
            f"collecting took {back.collect_ms:.0f} ms, found {units.count(back.unreachable, 'unreachable object')} "
            f"and gave back {units.size(max(0, back.before - back.collected))}; "
        )
        text += (
            "the C library cannot trim"
            if back.trimmed is None
            else f"malloc_trim took {back.trim_ms:.0f} ms and gave back {units.size(max(0, back.collected - back.trimmed))}"
        )
        yield f"{text}; {units.size(back.trimmed or back.collected)} are left"


def _outlook(audit: RuntimeAudit, view: View) -> Iterator[str]:
    told = tuple(outlook(audit))
    yield from (line for text in told for line in wrap(text, view.width))
    if told:
        yield ""


def _cost(audit: RuntimeAudit, view: View) -> Iterator[str]:
    if not audit.python:  # nobody went into the process
        return
    pauses = f"attach {audit.attach_pause_ms:.1f} ms, largest {audit.largest_pause_ms:.1f} ms"
    yield from wrap(
        f"pauses of the process: {pauses}; sampled every {units.seconds(audit.interval_s)}", view.width
    )


def _fitting(row: str, view: View) -> str:
    """Return a row of columns as it is, or closed up where the terminal is too narrow for it."""
    return row if len(row) <= view.width else " ".join(row.split())


def _figure(value: float, series: Series) -> str:
    return (
        units.size(value)
        if series.unit in {"B", "bytes"}
        else f"{units.number(value)} {_unit(series.unit)}".rstrip()
    )


def _unit(unit: str) -> str:
    """Return the units that a bare figure would not tell."""
    return unit if unit in {"%", "s", "ms"} else ""


def _why(suppressed: Suppression) -> str:
    return f"{suppressed.by}: {suppressed.reason}" if suppressed.reason else suppressed.by


def _from_to(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} -> {last:,}"
