"""A comparison as an HTML page: the curves of all settings over each other, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leakaudit.cli.compare_view import HEADER, row
from leakaudit.report.html.charts import Chart, Line
from leakaudit.report.html.model import Page, Panel
from leakaudit.report.html.page import write_page
from leakaudit.report.units import count

if TYPE_CHECKING:
    from leakaudit.process.compare.outcome import Outcome


def page(title: str, outcomes: Sequence[Outcome]) -> str:
    """Return the page; a setting's curve is that of its middle run."""
    lines = tuple(Line(o.setting.name, tuple(o.middle.points)) for o in outcomes if o.runs)
    rows = [row("", outcome)[1:] for outcome in outcomes]
    panel = Panel(
        title="",
        charts=(Chart("Memory", "bytes", lines, "the middle run of each setting", wide=True),),
        table="Settings",
        columns=HEADER[2:],
        vitals=tuple(rows),
    )
    return write_page(
        Page(title or count(len(outcomes), "setting"), "leakaudit compare", heading="Runs", panels=(panel,))
    )
