"""The memory tests of the federated example jobs: the whole matrix, its pictures, and its table in docs/compare.md.

    python bench/memory_tests.py [--repeat 3] [--keep DIR] [--write docs/compare.md] [--pictures docs/pictures]

About ten minutes with three repeats; `--keep` lets a second call go on where the first one ended.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "federated"
sys.path.insert(0, str(EXAMPLES))

import matrix  # noqa: E402

from leakaudit.report import units  # noqa: E402

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

Result = dict[str, Any]


def compared(command: Sequence[str]) -> Result:
    """Run a comparison and return its JSON; the exit code is kept as `exit`."""
    at = command.index("compare") + 1
    done = subprocess.run(
        [*command[:at], "--format", "json", *command[at:]], stdout=subprocess.PIPE, check=False, text=True
    )
    if done.returncode == 2:
        sys.exit(f"failed: {' '.join(command)}")
    return {**json.loads(done.stdout), "exit": done.returncode}


def collectors(folder: Path, repeat: int) -> list[str]:
    """Return the comparison of Python's own collector with none."""
    return [
        *(sys.executable, "-m", "leakaudit", "compare", "--vary", "collector=manual,automatic"),
        *("--repeat", str(repeat), "--every", "25ms", "--warmup", "25%", "--floor", "20MB"),
        *("-o", str(folder / "collector"), "--", sys.executable, str(EXAMPLES / "fedavg.py")),
        *("--collector", "{collector}", "--gc-rounds", "0"),
    ]


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return sorted(values)[len(values) // 2]


def rows(result: Result, job: str) -> Iterator[str]:
    """Yield one Markdown row for each setting."""
    for setting in result["settings"]:
        runs, times = setting["runs"], setting["peak_ratio"]
        shapes = [run["trend"] for run in runs]
        seen = ", ".join(f"{shape} {shapes.count(shape)}/{len(runs)}" for shape in dict.fromkeys(shapes))
        values = " | ".join(value or "-" for value in setting["setting"].values())
        interval = "" if times["low"] is None else f" ({times['low']:.2f}..{times['high']:.2f})"
        yield (
            f"| {job} | {values} | {units.size(median([run['peak'] for run in runs]))} "
            f"| {times['value']:.2f}{interval} | {units.size(median([run['end'] for run in runs]))} | {seen} "
            f"| {units.size_rate(median([run['per_s'] for run in runs]))} |"
        )


def report(results: dict[str, Result], collector: Result, repeat: int) -> str:
    """Return the measured part of the page."""
    lines = [
        (
            f"Made by `python bench/memory_tests.py --repeat {repeat}`; Python {sys.version.split()[0]}, "
            f"{units.count(repeat, 'run')} for each setting, medians; ratios to the first row of a job with 90 % intervals."
        ),
        "",
        "| job | gc_rounds | MALLOC_ARENA_MAX | peak | of first | end | trend | rate |",
        "|---|---|---|---|---|---|---|---|",
        *(row for job, result in results.items() for row in rows(result, matrix.JOBS[job])),
        "",
        "| job | expectations met | MALLOC_ARENA_MAX=4 beside none, gc_rounds being equal: peak |",
        "|---|---|---|",
    ]
    for job, result in results.items():
        checks = result["expectations"]
        (effect,) = (
            e["ratio"]
            for e in result["effects"]
            if (e["dimension"], e["value"], e["figure"]) == ("MALLOC_ARENA_MAX", "4", "peak")
        )
        interval = "" if effect["low"] is None else f" ({effect['low']:.3f}..{effect['high']:.3f})"
        met = f"{sum(check['met'] for check in checks)} of {len(checks)}"
        lines.append(f"| {matrix.JOBS[job]} | {met} | {effect['value']:.3f} times{interval} |")
    header = "| job | collector | peak | of first | end | trend | rate |"
    lines += [
        "",
        "FedAvg with gc_rounds 0:",
        "",
        header,
        "|---|---|---|---|---|---|---|",
        *rows(collector, "FedAvg"),
    ]
    return "\n".join(lines)


def main() -> None:
    """Run everything; write the page if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--write", type=Path, help="page whose measured part is replaced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        options.keep = options.keep or Path(temporary)
        results = {job: compared(matrix.command(job, options)) for job in matrix.JOBS}
        text = report(results, compared(collectors(options.keep, options.repeat)), options.repeat)
    print(text)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        options.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    sys.exit(max(result["exit"] for result in results.values()))


if __name__ == "__main__":
    main()
