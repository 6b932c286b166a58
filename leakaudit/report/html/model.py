"""What the page shows, as plain data: the template only lays it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.findings import Evidence, Finding, Status
from leakaudit.findings.fleet import process_names
from leakaudit.findings.order import by_growth, by_place
from leakaudit.report import units
from leakaudit.report.html.charts import MOST_MARKS, Chart, of_process, of_processes
from leakaudit.report.html.paths import Node, tree
from leakaudit.report.html.said import Said, said_of
from leakaudit.report.html.source import Excerpt, excerpts
from leakaudit.report.style import printable
from leakaudit.report.text_runtime import outlook
from leakaudit.report.told import posix

if TYPE_CHECKING:
    from leakaudit.findings.report import Report, RuntimeAudit, Series, Unexplained
    from leakaudit.report import View

Fact = tuple[str, str]
NOT_WATCHED = "not watched"


@dataclass(frozen=True, slots=True)
class Card:
    """One finding: what the filters ask for, what is always seen, and what opens."""

    anchor: str
    rule: str
    name: str
    symbol: str
    place: str
    confidence: str
    severity: str
    status: str
    message: str
    said: Said | None
    each: tuple[Said, ...]  # what each of several processes said
    excerpts: tuple[Excerpt, ...]
    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]
    help: tuple[str, ...]
    fix: str
    suppressed: str
    open: bool


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth that no finding explains."""

    name: str
    figures: str
    reason: str
    place: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One process, or one comparison: its charts, where its memory is, and its vitals as figures."""

    title: str
    wide: bool = False  # across the page, where panels stand side by side
    facts: tuple[Fact, ...] = ()
    charts: tuple[Chart, ...] = ()
    account: tuple[tuple[str, str, float, float], ...] = ()  # name, size, start and width in 100
    table: str = "Vitals"
    columns: tuple[str, ...] = ("first", "last", "largest", "trend")
    vitals: tuple[tuple[str, ...], ...] = ()  # a name, and a text for each column
    unexplained: tuple[Growth, ...] = ()
    tree: tuple[Node, ...] = ()
    warning: str = ""
    outlook: tuple[str, ...] = ()
    marks: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page. A comparison has panels and no cards."""

    title: str
    subtitle: str = ""
    facts: tuple[Fact, ...] = ()
    panels: tuple[Panel, ...] = ()
    cards: tuple[Card, ...] = ()
    errors: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
    heading: str = ""  # above the panels

    def count(self, what: str) -> tuple[tuple[str, int], ...]:
        """Return how many cards have each value of status, confidence or rule, in their order."""
        return tuple(Counter(getattr(card, what) for card in self.cards).items())

    @property
    def folded(self) -> tuple[str, ...]:
        """The statuses that the filters leave out at first: in a long list, what nobody came for."""
        rest = [card for card in self.cards if card.status not in CLEARED]
        return CLEARED if rest and len(self.cards) > LONG else ()


#: A list longer than this starts without what is cleared or could not be looked up.
LONG = 15
CLEARED = (Status.NOT_GROWING.value, Status.UNRESOLVED.value)
#: Findings that are open when the page is: the one that a reader came for.
MOST_OPEN = 1


def page_of(report: Report, view: View) -> Page:
    """Return the page of a scan, of a process, or of several processes that a report adds up."""
    audit = report.runtime
    processes = report.processes or (report,)
    names = process_names([process.runtime for process in processes if process.runtime])
    if audit is None:
        title = units.count(len(report.shown), "finding") if report.shown else "Nothing found"
    else:
        title = f"{len(names)} processes" if report.processes else f"Process {audit.pid}"
    panels = (
        _panel(process.runtime, process.findings, f"Process {name}" if report.processes else "")
        for process, name in zip(processes, names)
        if process.runtime
    )
    return Page(
        title=title,
        subtitle=printable(audit.command) if audit else "scan",
        facts=tuple(_process_facts(audit) if audit else _scan_facts(report)),
        panels=(*_together(processes, names), *panels),
        cards=tuple(_cards(report, names, view)),
        errors=tuple((_clean_place(error.path, error.line), error.reason) for error in report.errors),
        notes=report.notes,
        heading="What the processes did" if report.processes else "What the process did",
    )


def _scan_facts(report: Report) -> Iterable[Fact]:
    yield "files", f"{report.files:,}"
    yield "lines", f"{report.lines:,}"
    yield "time", units.seconds(report.seconds)
    if report.suppressed:
        yield "suppressed", f"{len(report.suppressed):,}"
    hidden = sum(finding.suppressed is None for finding in report.findings) - len(report.shown)
    if hidden:
        yield f"below {report.threshold.value}", f"{hidden:,}"
    if report.errors:
        yield "not read", f"{len(report.errors):,}"


def _panel(audit: RuntimeAudit, findings: Sequence[Finding], title: str) -> Panel:
    return Panel(
        title=title,
        facts=tuple(_process_facts(audit)),
        charts=of_process(audit, findings),
        account=tuple(_account(audit)),
        vitals=tuple(_vital(series) for series in audit.series if not series.part_of),
        unexplained=tuple(map(_growth, audit.unexplained)),
        tree=tree((item.retaining_path, printable(_name(item))) for item in audit.unexplained),
        warning=audit.ended_early and f"Ended early: {audit.ended_early}",
        outlook=tuple(outlook(audit)),
        marks=tuple((units.seconds(at), text) for at, text in audit.marks[:MOST_MARKS]),
        notes=audit.notes,
    )


def _together(processes: Iterable[Report], names: Iterable[str]) -> Iterable[Panel]:
    audits = [process.runtime for process in processes if process.runtime]
    charts = of_processes(zip(names, audits))
    if charts:
        yield Panel(title="All processes", wide=True, charts=charts)


def _account(audit: RuntimeAudit) -> Iterable[tuple[str, str, float, float]]:
    whole = sum(size for _, size in audit.rss_account) or 1.0
    start = 0.0
    for name, size in audit.rss_account:
        width = 100 * size / whole
        yield printable(name), units.size(size), round(start, 3), round(width, 3)
        start += width


def _process_facts(audit: RuntimeAudit) -> Iterable[Fact]:
    growth = audit.heap_growth_bytes_per_s
    if growth is not None:
        yield "heap growth", f"{'+' if growth > 0 else ''}{units.size_rate(growth)}"
    yield "watched", f"{units.seconds(audit.duration_s)}, {units.count(audit.samples, 'sample')}"
    if not audit.python:  # nobody went into the process
        yield "method", audit.method
        return
    yield "largest pause", f"{audit.largest_pause_ms:.1f} ms"
    yield "attach", f"{audit.attach_pause_ms:.1f} ms, {audit.method}"
    yield "Python", audit.python


def _vital(series: Series) -> tuple[str, ...]:
    is_bytes = series.unit in {"B", "bytes"}
    first, last, largest = (
        units.size(value) if is_bytes else units.number(value)
        for value in (series.first, series.last, series.largest)
    )
    return printable(series.name), first, last, largest, series.trend


def _name(item: Unexplained) -> str:
    return item.symbol or item.type_name


def _growth(item: Unexplained) -> Growth:
    first, last = item.count
    figures = [
        f"{first:,} → {last:,} {'entries' if item.symbol else 'objects'}",
        units.rate(item.count_per_s),
    ]
    if item.bytes_per_s is not None:
        figures.append(units.size_rate(item.bytes_per_s))
    if item.share is not None:
        figures.append(f"{units.share(item.share)} of growth")
    place = "" if item.path is None else _clean_place(item.path, item.line)
    return Growth(printable(_name(item)), " · ".join(figures), item.reason, place)


def _cards(report: Report, names: Sequence[str], view: View) -> Iterable[Card]:
    """Yield a card for each finding, what grew most first; in a scan what is suppressed comes last."""
    each: dict[tuple[str, str, int], list[Said]] = {}
    for name, process in zip(names, report.processes):
        for finding in process.findings:
            if finding.verdict:
                each.setdefault(_key(finding), []).append(said_of(finding.verdict, name))
    ordered = (
        by_growth(report.findings)
        if report.runtime
        else (*_active(report.shown), *by_place(report.suppressed))
    )
    for number, finding in enumerate(ordered):
        yield _card(finding, tuple(each.get(_key(finding), ())), view, number)


def _key(finding: Finding) -> tuple[str, str, int]:
    return finding.fingerprint, finding.location.path, finding.location.line


def _active(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(by_place(findings), key=lambda finding: -finding.confidence.rank))


def _card(finding: Finding, each: tuple[Said, ...], view: View, number: int) -> Card:
    verdict = finding.verdict
    silenced = finding.suppressed
    fix = finding.fix
    worth = verdict.status is Status.CONFIRMED if verdict else silenced is None
    return Card(
        anchor=f"f{number + 1}-{finding.fingerprint}",
        rule=finding.rule,
        name=finding.name,
        symbol=printable(finding.symbol),
        place=_clean_place(finding.location.path, finding.location.line),
        confidence=finding.confidence.value,
        severity=finding.severity.value,
        status=verdict.status.value if verdict else "suppressed" if silenced else NOT_WATCHED,
        message=printable(finding.message),
        said=said_of(verdict) if verdict else None,
        each=each,
        excerpts=excerpts(finding, view.source_line),
        evidence=finding.evidence,
        notes=tuple(note for note in finding.notes if note not in {item.reason for item in finding.evidence}),
        help=finding.help,
        fix=f"{fix.description} ({'safe' if fix.safe else 'may change behaviour'})" if fix else "",
        suppressed=f"{silenced.by}: {silenced.reason}".removesuffix(": ") if silenced else "",
        open=number < MOST_OPEN and worth,
    )


def _clean_place(path: str, line: int | None) -> str:
    return printable(posix(path)) + (f":{line}" if line else "")
