"""The page about NVFlare's own workflows: run the matrix, and write its tables and pictures.

    python bench/nvflare/report.py [--repeat 2] [--keep DIR] [--write docs/nvflare.md] [--pictures docs/pictures]

About twenty minutes on two cores. Takes the options of matrix.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matrix import VERSION, WORKFLOWS, Result, parse, results
from roles import WORD

from leakaudit.process.trend import Trend, classify
from leakaudit.report import units

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
#: Of a run, as in matrix.py's `--warmup`: until then processes start and connect.
WARMUP = 0.3

Points = list[tuple[float, float]]


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return sorted(values)[len(values) // 2]


def told(shapes: Sequence[str]) -> str:
    """Return the trends of a setting's runs in one phrase."""
    return ", ".join(f"{shape} {shapes.count(shape)}/{len(shapes)}" for shape in dict.fromkeys(shapes))


def recordings(folder: Path, setting: dict[str, str | None]) -> Iterator[Path]:
    """Yield the logs of the runs of a setting, by the settings that each recording begins with."""
    wanted = {name: value or "" for name, value in setting.items()}
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            if json.loads(next(lines))["setting"] == wanted:
                yield path.with_suffix(".log")


def of_roles(log: Path) -> dict[str, Points]:
    """Return role -> (seconds, bytes) from the line that a job prints at its end; empty if it did not get there."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(f"{WORD} "):
            return dict(json.loads(line.removeprefix(WORD)))
    return {}


def settled(points: Points) -> Points:
    """Leave out the warm-up, and the end, when processes go."""
    if not points:
        return []
    first, last = points[0][0], points[-1][0]
    start, stop = first + WARMUP * (last - first), last - 0.05 * (last - first)
    return [(t, value) for t, value in points if start <= t <= stop]


def role_columns(folder: Path, setting: dict[str, str | None], floor: float) -> Iterator[str]:
    """Yield, for server and clients, the median peak, the trends and the median rate of a setting's runs."""
    runs = [of_roles(log) for log in recordings(folder, setting)]
    for role in ("server", "clients"):
        series = [points for run in runs if (points := settled(run.get(role, [])))]
        trends: list[Trend] = [classify(points, floor=floor) for points in series]
        if not trends:
            yield from ("-", "-")
            continue
        yield units.size(median([max(value for _, value in points) for points in series]))
        yield told([trend.shape.value for trend in trends])


def rows(workflow: str, result: Result, options: argparse.Namespace) -> Iterator[str]:
    """Yield one Markdown row for each setting."""
    for setting in result["settings"]:
        runs, times = setting["runs"], setting["peak_ratio"]
        values = " | ".join(value or "-" for value in setting["setting"].values())
        if not runs:
            yield f"| {WORKFLOWS[workflow]} | {values} | no run ended well | | | | | | | |"
            continue
        interval = "" if times["low"] is None else f" ({times['low']:.2f}..{times['high']:.2f})"
        roles = role_columns(options.keep / workflow, setting["setting"], 4e6 * options.megabytes)
        cells = (
            units.size(median([run["peak"] for run in runs])),
            f"{times['value']:.2f}{interval}",
            told([run["trend"] for run in runs]),
            *roles,
            f"{median([run['seconds'] for run in runs]):.0f} s",
        )
        yield f"| {WORKFLOWS[workflow]} | {values} | {' | '.join(cells)} |"


def checks(found: dict[str, Result]) -> Iterator[str]:
    """Yield, for each workflow, which of the expected behaviours came out, and what each setting does to the peak."""
    yield (
        "| workflow | gc_rounds=0 grows | gc_rounds=5 is a sawtooth | gc_rounds=1 is stable | "
        "peak: gc_rounds=5 | gc_rounds=1 | MALLOC_ARENA_MAX=4 |"
    )
    yield "|---|---|---|---|---|---|---|"
    for workflow, result in found.items():
        cells = []
        for wanted in ("gc_rounds=0:growing", "gc_rounds=5:sawtooth", "gc_rounds=1:stable"):
            met = [check["met"] for check in result["expectations"] if check["text"] == wanted]
            cells.append(f"{sum(met)} of {len(met)}")
        changes = (("gc_rounds", "5"), ("gc_rounds", "1"), ("MALLOC_ARENA_MAX", "4"))
        cells += [_effect(result, *change) for change in changes]
        yield f"| {WORKFLOWS[workflow]} | {' | '.join(cells)} |"


def _effect(result: Result, dimension: str, value: str) -> str:
    """Return what a value does to the peak beside the first one, everything else being equal."""
    ratio: dict[str, Any] = next(
        effect["ratio"]
        for effect in result["effects"]
        if (effect["dimension"], effect["value"], effect["figure"]) == (dimension, value, "peak")
    )
    interval = "" if ratio["low"] is None else f" ({ratio['low']:.2f}..{ratio['high']:.2f})"
    return f"{ratio['value']:.2f} times{interval}"


def text(found: dict[str, Result], options: argparse.Namespace) -> str:
    """Return the measured part of the page."""
    return "\n".join(
        [
            (
                f"Made by `python bench/nvflare/report.py --repeat {options.repeat}`: nvflare {VERSION}, Python "
                f"{sys.version.split()[0]}, {options.rounds} rounds, 2 clients, a model of "
                f"{options.megabytes:g} MB; {options.lanes} simulators at a time on two shared cores."
            ),
            "",
            *checks(found),
            "",
            (
                "| workflow | gc_rounds | MALLOC_ARENA_MAX | all: peak | of first | all: trend | server: peak | "
                "server: trend | clients: peak | clients: trend | time |"
            ),
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *(row for workflow, result in found.items() for row in rows(workflow, result, options)),
        ]
    )


def main() -> None:
    """Run everything; write the page if asked to."""
    with tempfile.TemporaryDirectory(prefix="leakaudit-nvflare-bench-") as temporary:
        parser = parse(__doc__, Path(temporary))
        parser.add_argument("--write", type=Path, help="page whose measured part is replaced")
        options = parser.parse_args()
        measured = text(results(options), options)
    print(measured)
    if options.write:
        before, rest = options.write.read_text(encoding="utf-8").split(BEGIN)
        options.write.write_text(f"{before}{BEGIN}\n{measured}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
