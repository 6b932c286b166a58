"""How a live view looks: the process in two lines, then what grows, as wide and as high as the terminal is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from leakaudit.cli.progress import PHASES
from leakaudit.report import units
from leakaudit.report.style import printable

if TYPE_CHECKING:
    from leakaudit.cli.live_state import Moment, Moving

#: Below this many columns sizes are left out.
WIDE = 84
BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 24
LEAST_ROWS = 2
#: Lines that are no rows: three on the process, the heading, the last line, and the cursor's.
OTHER_LINES = 6
LEAST_NAME = 12  # cells
GAP = 2


def view(moment: Moment, width: int, height: int, *, bars: bool = True) -> Group:
    """Return what is shown in `width` columns and `height` lines; without `bars` in ASCII."""
    lines = [_line(text, width) for text in (_heading(moment), _memory(moment, bars), _pauses(moment))]
    shown = moment.moving[: max(LEAST_ROWS, height - OTHER_LINES)]
    if shown:
        return Group(*lines, _table(shown, width), _line(_rest(moment, len(shown)), width, "dim"))
    return Group(*lines, _line(_rest(moment, 0), width, "dim"))


def crop(name: str, width: int) -> str:
    """Shorten a dotted name at its start: its end tells most."""
    return name if len(name) <= width else "..." + name[-max(1, width - 3) :]


def curve(values: Sequence[float], most: int = MOST_BARS) -> str:
    """Draw a series in one line of bars between its own smallest and largest; "" where nothing moves."""
    if len(values) < 2 or max(values) == min(values):
        return ""
    # The last of each part stands for it, so that the newest is always seen.
    parts = min(most, len(values))
    picked = [values[(i + 1) * len(values) // parts - 1] for i in range(parts)]
    low, span = min(values), max(values) - min(values)
    return "".join(BARS[min(len(BARS) - 1, int((value - low) / span * len(BARS)))] for value in picked)


def _heading(moment: Moment) -> str:
    if moment.phase == "watch":
        stands = f"watched {moment.done:.0f} of {moment.total:.0f} s"
    else:
        stands = PHASES.get(moment.phase, moment.phase)
    return f"process {moment.pid}  {stands}  (Ctrl-C ends it and reports)"


def _memory(moment: Moment, bars: bool) -> str:
    if not moment.rss:
        return printable(moment.command)
    (began, first), (now, last) = moment.rss[0], moment.rss[-1]
    gained = last - first
    parts = [f"resident {units.size(last)}"]
    if gained and now > began:
        rate = gained / (now - began)
        parts.append(f"{'+' if gained > 0 else '-'}{units.size(abs(gained))}, {units.size_rate(rate)}")
    drawn = curve([value for _, value in moment.rss]) if bars else ""
    parts += [drawn] if drawn else []
    for name in ("threads", "descriptors"):
        known = getattr(moment, name)
        if known:
            moved = known[1] - known[0]
            parts.append(f"{name} {known[1]:.0f}" + (f" ({moved:+.0f})" if moved else ""))
    return "  ".join(parts)


def _pauses(moment: Moment) -> str:
    parts = []
    if moment.attach_ms is not None:
        parts.append(f"attach {moment.attach_ms:.1f} ms")
    if moment.largest_ms is not None:
        parts.append(f"largest {moment.largest_ms:.1f} ms in {units.count(moment.samples, 'sample')}")
    return f"pauses: {', '.join(parts)}" if parts else ""


def _table(moving: Sequence[Moving], width: int) -> Table:
    headings = ("entries", "gained", "", "memory", "")[: 5 if width >= WIDE else 3]
    rows = [_figures(item)[: len(headings)] for item in moving]
    taken = sum(GAP + max(len(heading), *(len(row[i]) for row in rows)) for i, heading in enumerate(headings))
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    table.add_column("grows", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for item, row in zip(moving, rows, strict=True):
        name = f"{printable(item.symbol)}{f' ({item.unit})' if item.unit else ''}"
        cells = (crop(name, max(LEAST_NAME, width - taken)), *row)
        table.add_row(*(Text(cell) for cell in cells), style="red" if item.sure else "yellow")
    return table


def _figures(item: Moving) -> tuple[str, ...]:
    sizes = (units.size(item.bytes), units.size_rate(item.bytes_rate)) if item.bytes else ("", "")
    return (
        units.number(item.last),
        f"+{units.number(item.last - item.first)}",
        units.rate(item.rate),
        *sizes,
    )


def _rest(moment: Moment, shown: int) -> str:
    if not moment.samples:
        return ""
    counts = (
        (len(moment.moving) - shown, "more grow" if len(moment.moving) - shown > 1 else "more grows"),
        (moment.still, "stand still" if moment.still > 1 else "stands still"),
        (moment.unresolved, "not in the process"),
    )
    told = ", ".join(f"{number} {what}" for number, what in counts if number)
    return told if moment.moving else f"nothing has grown; {told}" if told else "nothing has grown"


def _line(text: str, width: int, style: str = "") -> Text:
    line = Text(text, style=style, no_wrap=True, overflow="ellipsis")
    line.truncate(width, overflow="ellipsis")
    return line
