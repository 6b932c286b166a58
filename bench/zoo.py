"""Audit small services that leak, and their twins that do not, and tell what was named first.

python bench/zoo.py                               all of tests/fixtures/targets, 60 s each
python bench/zoo.py --only chat_rooms --duration 20
python bench/zoo.py --write docs/zoo.md           put the table into the page

A leaking program passes when the container that `expected.toml` names is the first of the report and confirmed; a
steady one when nothing is confirmed. Needs what the `bench` extra installs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ROOT / "tests/fixtures/targets"
BEGIN, END = "<!-- zoo: begin -->", "<!-- zoo: end -->"
FRAMEWORKS = ("flask", "fastapi", "uvicorn", "blinker", "torch", "tornado", "websockets")
SETTLE_S = 1.0  # until a program has imported what it needs and listens
SPARE_S = 90.0  # a program lives on so long after the watching, for the scan and the censuses


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the zoo, and the symbols of which one should be named first; none if it is steady."""

    path: Path
    expected: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """leaking/chat_rooms."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def missing(self) -> str:
        """The framework that it imports and that is not installed, or an empty string."""
        text = self.path.read_text(encoding="utf-8")
        lines = [line.split() for line in text.splitlines() if line.startswith(("import ", "from "))]
        asked = {line[1].split(".")[0] for line in lines}
        return next((f for f in FRAMEWORKS if f in asked and importlib.util.find_spec(f) is None), "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit said of one program. `rank` is the expected container's place, 0 if it is not in the report."""

    program: Program
    rank: int
    status: str
    share: float | None
    first: str
    seconds: float
    confirmed: tuple[str, ...]
    error: str = ""

    @property
    def passed(self) -> bool:
        """Named first and confirmed, or, of a steady program, nothing confirmed."""
        if self.error:
            return False
        return self.rank == 1 and self.status == "confirmed" if self.program.expected else not self.confirmed


def programs(folder: Path, only: Sequence[str] = ()) -> list[Program]:
    """Return the programs of a folder, or those whose names are given."""
    table = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))["leaking"]
    found = [Program(path, tuple(table[path.stem])) for path in sorted(folder.glob("leaking/*.py"))]
    found += [Program(path) for path in sorted(folder.glob("steady/*.py"))]
    return [p for p in found if not only or p.path.stem in only or p.name in only]


def audit(program: Program, duration_s: float) -> Outcome:
    """Start a program, audit it, end it."""
    began = time.monotonic()
    target = subprocess.Popen(
        [sys.executable, str(program.path), str(duration_s + SPARE_S)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        time.sleep(SETTLE_S)
        if target.poll() is not None:
            assert target.stderr is not None
            text = target.stderr.read().decode(errors="replace").strip().splitlines()
            return failed(program, f"it ended by itself: {text[-1] if text else target.returncode}")
        command = [sys.executable, "-m", "leakaudit", "runtime", str(target.pid), "--no-config"]
        command += ["--source", str(program.path), "--duration", f"{duration_s}s", "--format", "json"]
        done = subprocess.run(command, capture_output=True, timeout=3 * duration_s + SPARE_S, check=False)
        if target.poll() is not None:
            return failed(program, f"it ended while watched: {target.returncode}")
    except subprocess.TimeoutExpired:
        return failed(program, "the audit did not end")
    finally:
        target.kill()
        target.communicate()
    if done.returncode not in (0, 1):
        return failed(program, done.stderr.decode(errors="replace").strip()[-300:])
    return judged(program, json.loads(done.stdout), time.monotonic() - began)


def failed(program: Program, error: str) -> Outcome:
    """Return the outcome of an audit that did not come to its end."""
    return Outcome(program, 0, "", None, "", 0.0, (), error)


def judged(program: Program, report: dict, seconds: float) -> Outcome:
    """Return what a report says of a program."""
    findings = report["findings"]
    symbols = [finding["symbol"] for finding in findings]
    confirmed = tuple(f["symbol"] for f in findings if f["verdict"]["status"] == "confirmed")
    rank = next((n for n, symbol in enumerate(symbols, 1) if symbol in program.expected), 0)
    verdict = findings[rank - 1]["verdict"] if rank else {"status": "", "share": None}
    return Outcome(
        program,
        rank,
        verdict["status"],
        verdict["share"],
        confirmed[0] if confirmed else "",
        seconds,
        confirmed,
    )


def row(outcome: Outcome) -> str:
    """Return one line of the table."""
    share = f"{outcome.share:.0%}" if outcome.share is not None else ""
    first = outcome.error or (f"`{outcome.first}`" if outcome.first else "nothing")
    rank = outcome.rank or "" if outcome.program.expected else ""
    mark = "yes" if outcome.passed else "**no**"
    status = outcome.status if outcome.program.expected else ""
    return f"| {outcome.program.name} | {mark} | {rank} | {status} | {share} | {first} | {outcome.seconds:.0f} |"


def table(outcomes: Iterable[Outcome], skipped: Iterable[Program], duration_s: float) -> str:
    """Return the whole table with its sums."""
    outcomes = sorted(outcomes, key=lambda o: o.program.name)
    leaking = [o for o in outcomes if o.program.expected]
    steady = [o for o in outcomes if not o.program.expected]
    first = sum(o.passed for o in leaking)
    alarms = sum(bool(o.confirmed) for o in steady)
    failures = sum(bool(o.error) for o in outcomes)
    cpus = os.cpu_count()
    sums = [
        f"Watched for {duration_s:.0f} s each, Python {platform.python_version()}, {cpus} processors, "
        f"{time.strftime('%Y-%m-%d')}.",
        "",
        f"- leaking: the right container ranked first and confirmed in {first} of {len(leaking)}",
        f"- steady: something confirmed in {alarms} of {len(steady)}",
        f"- audits that failed: {failures}",
        *(f"- not run, needs {p.missing}: {p.name}" for p in skipped),
        "",
        "| program | right | rank | verdict | share | confirmed first | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*sums, *map(row, outcomes)]) + "\n"


def write(page: Path, text: str) -> None:
    """Put a table between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def main() -> int:
    """Run what was asked for; 1 if a program was judged wrongly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duration", type=float, default=60.0, metavar="S")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--folder", type=Path, default=TARGETS, help="where leaking/, steady/, expected.toml are")
    parser.add_argument("--parallel", type=int, default=4, metavar="N")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    options = parser.parse_args()
    chosen = programs(options.folder, options.only)
    if not chosen:
        parser.error("no program has that name")
    skipped = [p for p in chosen if p.missing]
    outcomes = []
    with ThreadPoolExecutor(options.parallel) as pool:
        running = (p for p in chosen if p not in skipped)
        for outcome in pool.map(lambda p: audit(p, options.duration), running):
            print(row(outcome), *outcome.confirmed[1:], file=sys.stderr, flush=True)
            outcomes.append(outcome)
    text = table(outcomes, skipped, options.duration)
    print(text, end="")
    if options.write:
        write(options.write, text)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
