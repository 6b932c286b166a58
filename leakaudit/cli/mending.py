"""What `scan --fix` writes, and what `scan --diff` prints instead."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from leakaudit.cli.output import write
from leakaudit.report.units import count

if TYPE_CHECKING:
    from leakaudit.findings import Finding
    from leakaudit.findings.report import Report
    from leakaudit.scan.mend import Mended


def apply(mended: Mended) -> Report:
    """Write the changed files and return the report of what is left; raises SourceError."""
    from leakaudit.source import write_source

    for change in mended.changes:
        write_source(change.before.path, change.before.data, change.after.data)
    report = mended.report
    notes = (*map(_fixed, report.fixed), *report.notes, *_more(report))
    return replace(report, notes=notes)


def show(mended: Mended, output: str | None, *, brief: bool) -> None:
    """Print the diff, and on stderr what could not be read and what the diff comes to."""
    from leakaudit.report import View
    from leakaudit.report.diff import unified
    from leakaudit.report.text_scan import error_lines

    report = mended.report
    write(unified((c.before.path, c.before.text, c.after.text) for c in mended.changes), output)
    for line in error_lines(report, View()):
        click.echo(line, err=True)
    if not brief:
        files = count(len(mended.changes), "file")
        click.echo(f"would fix {count(len(report.fixed), 'finding')} in {files}", err=True)
        for note in _more(report):
            click.echo(note, err=True)


def _fixed(finding: Finding) -> str:
    assert finding.fix is not None
    place = finding.location
    return f"{place.path}:{place.line}: fixed {finding.rule} {finding.name}: {finding.fix.description}"


def _more(report: Report) -> tuple[str, ...]:
    offered = sum(finding.fix is not None and not finding.fix.safe for finding in report.shown)
    return (f"{offered} more can be fixed with --unsafe-fixes: read what they change",) if offered else ()
