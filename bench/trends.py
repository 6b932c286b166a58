"""Measure the trend rules: false and missed alarms on synthetic shapes and on recorded programs.

python bench/trends.py                           the tables, for the half that parameters were not chosen on
python bench/trends.py --fit                     the same for the half that they were chosen on
python bench/trends.py --each                    one line for each trace
python bench/trends.py --write docs/trends.md    put the tables into the page
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

import trace_data
from rate_errors import intervals
from shapes import FIT, HELD
from shares import interval, percent
from trace_data import TRACES, Points, Trace

from leakaudit.process.rate import theil_sen
from leakaudit.process.trend import FLOOR_BYTES, Shape, Trend, classify

MIB = 1024.0 * 1024.0
SOURCES = {
    "programs": trace_data.programs,
    "harder programs": trace_data.harder,
    "services": trace_data.services,
}
LENGTHS = (120, 240, 480)
FEW = (12, 20, 30)
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def made(fit: bool, length: int, count: int) -> Iterator[tuple[str, bool, Points]]:
    """`count` series of each generator of one half: name, whether it leaks, points."""
    rng = Random(length)
    for name, (leaks, make) in (FIT if fit else HELD).items():
        for _ in range(count):
            yield name, leaks, [(float(i), v * MIB) for i, v in enumerate(make(rng, length))]


def answers(found: list[Trend]) -> str:
    """Grows, inconclusive and neither, in per cent."""
    grows = sum(t.grows for t in found)
    unsure = sum(t.shape is Shape.INCONCLUSIVE for t in found)
    return " / ".join(percent(n, len(found)) for n in (grows, unsure, len(found) - grows - unsure))


def synthetic(fit: bool, count: int) -> Iterator[str]:
    """The table of generators, one column for each length."""
    found: dict[tuple[str, bool], dict[int, list[Trend]]] = {}
    for length in LENGTHS:
        for name, leaks, points in made(fit, length, count):
            found.setdefault((name, leaks), {}).setdefault(length, []).append(classify(points))
    yield f"| series ({count} of each) | " + " | ".join(f"{n} samples" for n in LENGTHS) + " |"
    yield "|---|" + "---|" * len(LENGTHS)
    for wanted in (False, True):
        rows = {name: cells for (name, leaks), cells in found.items() if leaks is wanted}
        for name, cells in rows.items():
            yield f"| {name} | " + " | ".join(answers(cells[n]) for n in LENGTHS) + " |"
        together = [[t for cells in rows.values() for t in cells[n]] for n in LENGTHS]
        title = "all that leak" if wanted else "all leak-free"
        yield f"| **{title}** | " + " | ".join(f"**{answers(t)}**" for t in together) + " |"


def everything(fit: bool) -> list[Trace]:
    """All recorded traces of one half."""
    return [trace for source in SOURCES.values() for trace in source(fit)]


def kind(trace: Trace) -> str:
    """What is true of a trace: leak-free, leaks, or leaks so that RSS cannot show it."""
    if not trace.leaks:
        return "leak-free"
    return "leaks" if trace.visible else "leaks, not visible"


def recorded(traces: Iterable[Trace]) -> Iterator[str]:
    """The table of recorded programs: what the rule said of each trace."""
    words: dict[tuple[str, str], Counter[str]] = {}
    for trace in traces:
        words.setdefault((kind(trace), trace.program), Counter())[classify(trace.points).shape.value] += 1
    yield "| program | truth | traces | said |"
    yield "|---|---|---|---|"
    for (truth, name), counts in sorted(words.items()):
        said = ", ".join(f"{word} {n}" for word, n in counts.most_common())
        yield f"| {name} | {truth} | {sum(counts.values())} | {said} |"


@dataclass(frozen=True)
class Row:
    """One series, what is true of it, and where it comes from: a generator or a program."""

    origin: str
    truth: str
    points: Points


def rows(fit: bool, count: int) -> dict[str, list[Row]]:
    """All series of one half that have at least 240 samples, by their source."""
    found = {
        "synthetic": [
            Row(name, "leaks" if leaks else "leak-free", points)
            for n in LENGTHS[1:]
            for name, leaks, points in made(fit, n, count)
        ]
    }
    for name, source in SOURCES.items():
        found[name] = [Row(trace.program, kind(trace), trace.points) for trace in source(fit)]
    found["**all recorded**"] = [row for name in SOURCES for row in found[name]]
    found["all recorded whose RSS moves"] = [
        row for row in found["**all recorded**"] if ptp(row.points) >= FLOOR_BYTES
    ]
    return found


def targets(fit: bool, count: int) -> Iterator[str]:
    """The table that is held against the targets: series of at least 240 samples, inconclusive ones counted apart."""
    yield "| source | truth | series | inconclusive | said to grow, of all | of the decided | its 95 % interval |"
    yield "|---|---|---|---|---|---|---|"
    sources = rows(fit, count)
    for truth in ("leak-free", "leaks", "leaks, not visible"):
        for name, series in sources.items():
            chosen = [row for row in series if row.truth == truth]
            if not chosen:
                continue
            found = [classify(row.points) for row in chosen]
            grows = sum(t.grows for t in found)
            unsure = sum(t.shape is Shape.INCONCLUSIVE for t in found)
            decided = len(found) - unsure
            yield (
                f"| {name} | {truth} | {len(found)} of {len({row.origin for row in chosen})} | "
                f"{percent(unsure, len(found))} % | {percent(grows, len(found))} % | "
                f"{percent(grows, decided)} % | {interval(grows, decided)} |"
            )


def ptp(points: Points) -> float:
    """How far a series ranges."""
    values = [v for _, v in points]
    return max(values) - min(values)


def few(fit: bool) -> Iterator[str]:
    """The table of short audits: the whole of each recording in a few samples."""
    yield "| recorded, all | traces | " + " | ".join(f"{n} samples" for n in FEW) + " |"
    yield "|---|---|" + "---|" * len(FEW)
    traces = everything(fit)
    for truth in ("leak-free", "leaks"):
        chosen = [trace.points for trace in traces if kind(trace) == truth]
        cells = [answers([classify(thinned(points, n)) for points in chosen]) for n in FEW]
        yield f"| {truth} | {len(chosen)} | " + " | ".join(cells) + " |"


def thinned(points: Points, count: int) -> Points:
    """Evenly spaced points of a series, its first and last among them."""
    return [points[round(i * (len(points) - 1) / (count - 1))] for i in range(count)]


def mann_kendall(points: Points) -> bool:
    """Whether the Mann-Kendall test is significant at 5 % and Theil-Sen's line gains 5 %: the usual advice."""
    step = max(1, len(points) // 120)
    ys = [v for _, v in points[::step]]
    n = len(ys)
    s = sum((b > a) - (b < a) for i, a in enumerate(ys) for b in ys[i + 1 :])
    z = (s - (s > 0) + (s < 0)) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    return z > 1.96 and theil_sen([float(i) for i in range(n)], ys) * n > 0.05 * ys[0]


def ours(points: Points) -> bool:
    """Whether our rule says that the series grows."""
    return classify(points).grows


def compared(fit: bool, count: int) -> Iterator[str]:
    """The table that sets our rule beside the usual test."""
    rules: dict[str, Callable[[Points], bool]] = {
        "Mann-Kendall p < 0.05 and Theil-Sen gain > 5 %": mann_kendall,
        "`leakaudit.process.trend`": ours,
    }
    rows = [(leaks, points) for n in LENGTHS[1:] for _, leaks, points in made(fit, n, count)]
    traces = everything(fit)
    real = [(trace.leaks, trace.points) for trace in traces if trace.visible or not trace.leaks]
    yield "| rule | synthetic leak-free | synthetic leaks | recorded leak-free | recorded leaks |"
    yield "|---|---|---|---|---|"
    for name, rule in rules.items():
        cells = []
        for found in (rows, real):
            said = [(leaks, rule(points)) for leaks, points in found]
            for wanted in (False, True):
                of = [grows for leaks, grows in said if leaks is wanted]
                cells.append(percent(sum(of), len(of)))
        yield f"| {name} | " + " | ".join(cells) + " |"


def waiting() -> Iterator[str]:
    """The table of the 240 s recordings: what the rule says after 30, 60, 120 and 240 s."""
    lengths = (30, 60, 120, 240)
    yield "| program (one sample in 0.5 s) | truth | " + " | ".join(f"{s} s" for s in lengths) + " |"
    yield "|---|---|" + "---|" * len(lengths)
    for path in sorted(TRACES.glob("*-long.json")):
        trace = json.loads(path.read_text())
        points = [(i * trace["interval_s"], k * 1024.0) for i, k in enumerate(accumulate(trace["rss_kib"]))]
        said = [classify([p for p in points if p[0] < s]).shape.value for s in lengths]
        yield f"| {trace['program']} | {'leaks' if trace['leaks'] else 'leak-free'} | {' | '.join(said)} |"


def page(fit: bool, count: int) -> Iterator[str]:
    """All tables, with the command that made them."""
    command = f"python bench/trends.py{' --fit' if fit else ''} --count {count}"
    yield f"Made by `{command}`. Cells with three figures: grows / inconclusive / something else, in per cent."
    for title, table in (
        ("Against the targets", targets(fit, count)),
        *(
            (("The same, on the half that parameters were chosen on", targets(True, count)),)
            if not fit
            else ()
        ),
        ("Synthetic series", synthetic(fit, count)),
        *((f"Recorded {name}", recorded(source(fit))) for name, source in SOURCES.items()),
        ("Few samples", few(fit)),
        ("What waiting settles", waiting()),
        ("Share that is said to grow, in per cent, 240 samples and more", compared(fit, min(count, 100))),
        ("The rate", intervals(count)),
    ):
        yield from ("", f"### {title}", "", *table)


def each(fit: bool) -> Iterator[str]:
    """One line for each trace, with the rate and its truth in KiB/s."""
    for trace in everything(fit):
        found = classify(trace.points)
        low, middle, high = (r / 1024 for r in (found.rate.low, found.rate.per_s, found.rate.high))
        yield (
            f"{kind(trace):19s}{trace.program:28s}{trace.python:8s}{found.shape.value:17s}"
            f"{middle:7.1f} [{low:.1f} {high:.1f}] true {trace.leaked_per_s / 1024:.1f}  {found.reason}"
        )


def main() -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    text = "\n".join(each(options.fit) if options.each else page(options.fit, options.count))
    if options.write:
        before, _, rest = options.write.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        options.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    else:
        print(text)


if __name__ == "__main__":
    main()
