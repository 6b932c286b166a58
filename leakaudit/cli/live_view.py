"""How a live view looks: the processes, a line for each, then what grows, as wide and as high as the terminal is."""

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
#: Lines that are neither rows nor processes: two on all processes, the heading, the last line, and the cursor's.
OTHER_LINES = 5
LEAST_NAME = 12  # cells
GAP = 2


def view(moments: Sequence[Moment], width: int, height: int, *, bars: bool = True) -> Group:
    """Return what is shown of processes in `width` columns and `height` lines; without `bars` in ASCII."""
    room = max(LEAST_ROWS + 1, height - OTHER_LINES)
    drawn = _largest(moments, 1 if len(moments) == 1 else max(1, room // 2))
    lines = [
        _heading(moments),
        *(_memory(moment, bars, alone=len(moments) == 1) for moment in drawn),
        _pauses(moments, len(moments) - len(drawn)),
    ]
    rows = _rows(moments)
    shown = rows[: max(LEAST_ROWS, room - len(drawn))]
    return Group(
        *(_line(text, width) for text in lines),
        *([_table(shown, width)] if shown else []),
        _line(_rest(moments, len(rows), len(shown)), width, "dim"),
    )


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


def _largest(moments: Sequence[Moment], most: int) -> list[Moment]:
    """Return the processes that gained most, in the order in which they came."""
    gained = sorted(moments, key=lambda m: m.rss[0][1] - m.rss[-1][1] if m.rss else 0.0)[:most]
    return [moment for moment in moments if moment in gained]


def _rows(moments: Sequence[Moment]) -> list[tuple[str, Moving]]:
    """Return what grows in all processes, with the pid before it where there are several, the surest first."""
    rows = [
        ("" if len(moments) == 1 else f"{moment.pid} ", item) for moment in moments for item in moment.moving
    ]
    return sorted(rows, key=lambda row: (not row[1].sure, -row[1].bytes_rate, -row[1].rate, row[1].symbol))


def _heading(moments: Sequence[Moment]) -> str:
    if not moments:
        return "attaching"
    first = moments[0]
    if first.phase == "watch":
        stands = f"watched {first.done:.0f} of {first.total:.0f} s"
    else:
        stands = PHASES.get(first.phase, first.phase)
    what = f"process {first.pid}" if len(moments) == 1 else units.count(len(moments), "process", "processes")
    return f"{what}  {stands}  (Ctrl-C ends it and reports)"


def _memory(moment: Moment, bars: bool, *, alone: bool) -> str:
    who = "" if alone else f"{moment.pid}  "
    if not moment.rss:
        return f"{who}{printable(moment.command)}"
    (began, first), (now, last) = moment.rss[0], moment.rss[-1]
    gained = last - first
    parts = [f"{who}resident {units.size(last)}"]
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


def _pauses(moments: Sequence[Moment], left_out: int) -> str:
    attach = [moment.attach_ms for moment in moments if moment.attach_ms is not None]
    largest = [moment.largest_ms for moment in moments if moment.largest_ms is not None]
    parts = [f"attach {max(attach):.1f} ms"] if attach else []
    if largest:
        samples = sum(moment.samples for moment in moments)
        parts.append(f"largest {max(largest):.1f} ms in {units.count(samples, 'sample')}")
    more = f"{units.count(left_out, 'more process', 'more processes')}; " if left_out else ""
    return f"{more}pauses: {', '.join(parts)}" if parts else ""


def _table(rows: Sequence[tuple[str, Moving]], width: int) -> Table:
    headings = ("entries", "gained", "", "memory", "")[: 5 if width >= WIDE else 3]
    figures = [_figures(item)[: len(headings)] for _, item in rows]
    taken = sum(
        GAP + max(len(heading), *(len(row[i]) for row in figures)) for i, heading in enumerate(headings)
    )
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    table.add_column("grows", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for (pid, item), row in zip(rows, figures, strict=True):
        name = f"{printable(item.symbol)}{f' ({item.unit})' if item.unit else ''}"
        cells = (pid + crop(name, max(LEAST_NAME, width - taken - len(pid))), *row)
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


def _rest(moments: Sequence[Moment], rows: int, shown: int) -> str:
    if not any(moment.samples for moment in moments):
        return ""
    more, still = rows - shown, sum(moment.still for moment in moments)
    counts = (
        (more, "more grow" if more > 1 else "more grows"),
        (still, "stand still" if still > 1 else "stands still"),
        (sum(moment.unresolved for moment in moments), "not in the process"),
    )
    told = ", ".join(f"{number} {what}" for number, what in counts if number)
    return told if rows else f"nothing has grown; {told}" if told else "nothing has grown"


def _line(text: str, width: int, style: str = "") -> Text:
    line = Text(text, style=style, no_wrap=True, overflow="ellipsis")
    line.truncate(width, overflow="ellipsis")
    return line
