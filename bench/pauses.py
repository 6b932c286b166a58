"""Measure what an audit costs a busy process: how long it stands still, and how much slower and larger it is.

python bench/pauses.py                                     1,000,000 and 5,000,000 objects, Python 3.11 and 3.13
python bench/pauses.py --objects 1000000 --versions 3.11 --duration 20
python bench/pauses.py --write docs/runtime-cost.md        put the table into the page

The process holds so many objects and does nothing but count steps in a loop, which notes the longest time between two
steps: first left alone, then audited with the default pause budget, then left alone again. Other programs on the
machine lengthen gaps too: so it runs at a high priority where that is allowed, and the first and the last phase tell
what is left of theirs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- pauses: begin -->", "<!-- pauses: end -->"
PROGRAM = """
import json, sys, threading, time
CACHE = {}
HEAP = [[float(i)] for i in range(int(sys.argv[1]))]
steps, gaps, largest = 0, [0] * 2000, 0.0
def answer():
    global steps, gaps, largest
    for _ in sys.stdin:
        told = {"steps": steps, "gaps": gaps, "largest_ms": largest * 1e3, "t": time.perf_counter()}
        steps, gaps, largest = 0, [0] * 2000, 0.0
        print(json.dumps(told), flush=True)
threading.Thread(target=answer, daemon=True).start()
print("READY", flush=True)
last = grown = time.perf_counter()
number = 0
while True:
    for _ in range(200):
        number = (number * 31 + 7) % 1000003
    now = time.perf_counter()
    gap, last = now - last, now
    steps += 1
    gaps[min(int(gap * 1e4), 1999)] += 1
    if gap > largest:
        largest = gap
    if now - grown > 0.01:
        CACHE[now], grown = [now], now
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """What the loop noted: the longest gap and the 99.99th percentile in ms, steps per second."""

    largest_ms: float
    p9999_ms: float
    steps_per_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one audit cost. Memory in bytes; `cpu_ms` are the agent's milliseconds of processor time per sample."""

    python: str
    objects: int
    before: Phase
    during: Phase
    after: Phase
    cpu_ms: float
    rss: int
    extra_rss: int
    agent_share: float
    told_ms: float
    sizes: str


class Target:
    """The process, and what it answers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.asked_at = 0.0
        self.note()

    def note(self) -> Phase:
        """Return what the loop noted since the last time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        span, self.asked_at = told["t"] - self.asked_at, told["t"]
        left, rank = told["steps"] / 10_000, 1999
        while rank > 0 and (left := left - told["gaps"][rank]) > 0:
            rank -= 1
        return Phase(told["largest_ms"], (rank + 1) / 10, told["steps"] / span)

    def rss(self) -> int:
        """Return its resident bytes."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def prefer() -> None:
    """Let this process run before others, where that is allowed: else it is their gaps that are measured."""
    with suppress(OSError):
        os.nice(-15)


@contextmanager
def running(python: str, objects: int, folder: Path) -> Iterator[Target]:
    """Run the program for the length of the block."""
    path = folder / "busy.py"
    path.write_text(PROGRAM, encoding="utf-8")
    process = subprocess.Popen(
        [python, str(path), str(objects)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=prefer,  # noqa: PLW1509 - no threads here
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield Target(process)
    finally:
        process.kill()
        process.communicate()


def measure(python: str, objects: int, duration_s: float) -> Cost:
    """Let the loop run alone, audited, and alone again."""
    with tempfile.TemporaryDirectory() as folder, running(python, objects, Path(folder)) as target:
        before = wait(target, duration_s)
        rss, (session, largest) = target.rss(), audited(target, duration_s, Path(folder))
        during, after = target.note(), wait(target, duration_s)
    samples = [record for record in session if record["record"] == "sample"]
    cpu_ms = [record["cpu_ms"] for record in samples]
    report = next(record for record in session if record["record"] == "report")["report"]["runtime"]
    censuses = [record for record in session if record["record"] == "census-result"]
    return Cost(
        python=next(record["python"] for record in session if record["record"] == "attached"),
        objects=objects,
        before=before,
        during=during,
        after=after,
        cpu_ms=(cpu_ms[-1] - cpu_ms[0]) / (len(cpu_ms) - 1),
        rss=rss,
        extra_rss=max(0, largest - rss),
        agent_share=cpu_ms[-1] / 1e3 / (samples[-1]["t"] - samples[0]["t"]),
        told_ms=max(report["pause_ms"].values()),
        sizes="measured" if len(censuses) == 2 else "estimated",
    )


def wait(target: Target, duration_s: float) -> Phase:
    """Let the loop run."""
    target.note()
    try:
        target.process.wait(duration_s)
    except subprocess.TimeoutExpired:
        return target.note()
    raise SystemExit("the process under test has ended")


def audited(target: Target, duration_s: float, folder: Path) -> tuple[Sequence[dict[str, Any]], int]:
    """Audit the process; return the session's records and the largest resident memory meanwhile."""
    session, report = folder / "session.jsonl", folder / "report.json"
    command = [
        *(sys.executable, "-m", "leakaudit", "runtime", str(target.process.pid), "--no-config"),
        *("--duration", f"{duration_s:g}s", "--session", str(session), "--format", "json", "-o", str(report)),
    ]
    largest = 0
    audit = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while audit.poll() is None:
        largest = max(largest, target.rss())
        try:
            audit.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    if audit.returncode not in (0, 1):
        raise SystemExit(audit.communicate()[1])
    records = [json.loads(line) for line in session.read_text(encoding="utf-8").splitlines()]
    records.append({"record": "report", "report": json.loads(report.read_text(encoding="utf-8"))})
    return records, largest


def table(costs: Sequence[Cost]) -> str:
    """Return the figures as a Markdown table."""
    head = (
        "| Python | objects | RSS | longest gap alone | audited | 99.99 % alone | audited | steps/s | agent's time | "
        "CPU per sample | more RSS | largest pause reported | sizes |"
    )
    lines = [head, "|---|" + "---:|" * 11 + "---|"]
    for cost in costs:
        alone = (cost.before.steps_per_s + cost.after.steps_per_s) / 2
        lines.append(
            f"| {cost.python} | {cost.objects:,} | {cost.rss / 2**20:.0f} MiB "
            f"| {cost.before.largest_ms:.1f} / {cost.after.largest_ms:.1f} ms | {cost.during.largest_ms:.1f} ms "
            f"| {cost.before.p9999_ms:.1f} / {cost.after.p9999_ms:.1f} ms | {cost.during.p9999_ms:.1f} ms "
            f"| {cost.during.steps_per_s / alone - 1:+.1%} | {cost.agent_share:.1%} | {cost.cpu_ms:.1f} ms "
            f"| {cost.extra_rss / 2**20:.1f} MiB | {cost.told_ms:.1f} ms | {cost.sizes} |"
        )
    return "\n".join(lines)


def interpreters(versions: Sequence[str]) -> dict[str, str]:
    """Return version -> path of those interpreters of the tests that have one of these versions."""
    sys.path.insert(0, str(ROOT / "tests"))
    import attach_targets

    found = {str(item): item.path for item in attach_targets.interpreters()}
    return {version: found[version] for version in versions if version in found}


def put(page: Path, text: str, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Replace what lies between the marks of a page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise SystemExit(f"{page} lacks the marks {marks[0]} and {marks[1]}")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> None:
    """Measure, print the table, and put it into a page if one is named."""
    parser = argparse.ArgumentParser(description="Measure what an audit costs a busy process.")
    parser.add_argument("--objects", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--versions", nargs="+", default=["3.11", "3.13"], metavar="V")
    parser.add_argument("--duration", type=float, default=30.0, metavar="S", help="seconds of each phase")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args()
    costs = []
    for version, python in interpreters(options.versions).items():
        for objects in options.objects:
            costs.append(measure(python, objects, options.duration))
            print(f"{version} {objects:,}: {costs[-1]}", file=sys.stderr)
    cores = os.cpu_count()
    text = f"{cores} shared cores, {platform.machine()}, {options.duration:g} s each.\n\n{table(costs)}"
    print(text)
    if options.write:
        put(options.write, text)


if __name__ == "__main__":
    main()
