"""Measure the trend rules: false and missed alarms on synthetic shapes and on recorded programs.

python bench/trends.py            the table of docs/trends.md (held-out half)
python bench/trends.py --fit      the half that parameters were chosen on
python bench/trends.py --each     one line for each trace
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

from shapes import FIT, HELD
from trace_programs import LEAK_FREE, LEAKING

from leakaudit.process.trend import FLOOR_BYTES, Shape, Trend, classify

TRACES = Path(__file__).resolve().parent.parent / "tests" / "data" / "traces"
MIB = 1024.0 * 1024.0
LENGTHS = (120, 240, 480)


def programs(fit: bool) -> frozenset[str]:
    """The names of the programs in one half: every other one, in the order of the source."""
    return frozenset(f.__name__ for fs in (LEAK_FREE, LEAKING) for f in fs[0 if fit else 1 :: 2])


def traces(fit: bool) -> Iterator[tuple[dict[str, object], list[tuple[float, float]]]]:
    """Each recorded trace of one half, with its points in (seconds, bytes)."""
    names = programs(fit)
    for path in sorted(TRACES.glob("*.json")):
        trace = json.loads(path.read_text())
        if trace["program"] in names:
            rss = accumulate(trace["rss_kib"])
            yield trace, [(i * trace["interval_s"], kib * 1024.0) for i, kib in enumerate(rss)]


def row(name: str, leaks: bool, trends: list[Trend]) -> str:
    """One line of the table."""
    n = len(trends)
    grows = sum(t.grows for t in trends)
    unsure = sum(t.shape is Shape.INCONCLUSIVE for t in trends)
    words = ", ".join(
        f"{shape.value} {count}" for shape, count in Counter(t.shape for t in trends).most_common(4)
    )
    return f"| {name} | {'leak' if leaks else '-'} | {n} | {100 * grows / n:.1f} | {100 * unsure / n:.1f} | {words} |"


def synthetic(fit: bool, count: int) -> None:
    """Print what the rule says of each generator."""
    print("| series | truth | n | grows % | inconclusive % | shapes |\n|---|---|---|---|---|---|")
    totals: dict[tuple[int, bool], list[Trend]] = {}
    for length in LENGTHS:
        rng = Random(length)
        for name, (leaks, make) in (FIT if fit else HELD).items():
            found = []
            for _ in range(count):
                points = [(float(i), v * MIB) for i, v in enumerate(make(rng, length))]
                found.append(classify(points))
            print(row(f"{name}, {length}", leaks, found))
            totals.setdefault((length, leaks), []).extend(found)
    for (length, leaks), found in totals.items():
        print(row(f"**all, {length}**", leaks, found))


def recorded(fit: bool, each: bool) -> None:
    """Print what the rule says of the recorded programs."""
    totals: dict[bool, list[Trend]] = {False: [], True: []}
    for trace, points in traces(fit):
        found = classify(points, FLOOR_BYTES)
        totals[bool(trace["leaks"])].append(found)
        if each:
            true = int(str(trace["leaked_bytes_per_s"])) / 1024
            r = found.rate
            print(
                f"{'leak' if trace['leaks'] else '-':5s}{trace['program']:28s}{trace['python']:8s}"
                f"{found.shape.value:17s}{r.per_s / 1024:7.0f} [{r.low / 1024:.0f} {r.high / 1024:.0f}] true {true:.0f}  {found.reason}"
            )
    for leaks, found in totals.items():
        if found:
            print(row("**recorded programs**", leaks, found))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    synthetic(options.fit, options.count)
    recorded(options.fit, options.each)


if __name__ == "__main__":
    main()
