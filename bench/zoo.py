"""Audit small services that leak, and their twins that do not, and tell what was named first.

python bench/zoo.py                               all of tests/fixtures/targets, 60 s each
python bench/zoo.py --only chat_rooms --duration 20
python bench/zoo.py --write docs/zoo.md           put the table into the page

A leaking program passes when the container that `expected.toml` names is the first that the report says grows: as a
confirmed finding or, where no rule had suspected it, as growth that no finding explains (with a question mark in the
table). A steady one passes when nothing is confirmed. Needs what the `bench` extra installs.
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
SPARE_S = 240.0  # a program lives on so long after the watching, for the scan and the censuses


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
        files = self.path.glob("*.py") if self.path.is_dir() else [self.path]
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
        lines = [line.split() for line in text.splitlines() if line.startswith(("import ", "from "))]
        asked = {line[1].split(".")[0] for line in lines}
        return next((f for f in FRAMEWORKS if f in asked and importlib.util.find_spec(f) is None), "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit said of one program.

    `rank` is the expected container's place, 0 if it is not in the report; its `status` is a verdict, or "unexplained"
    for growth that has a name but that no rule had suspected.
    """

    program: Program
    rank: int = 0
    status: str = ""
    share: float | None = None
    seconds: float = 0.0
    confirmed: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    error: str = ""

    @property
    def passed(self) -> bool:
        """Named first and as growing, or, of a steady program, nothing confirmed."""
        if self.error:
            return False
        if not self.program.expected:
            return not self.confirmed
        return self.rank == 1 and self.status in ("confirmed", "unexplained")


def programs(folder: Path, only: Sequence[str] = ()) -> list[Program]:
    """Return the programs of a folder, or those whose names are given."""
    table = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))["leaking"]
    found = [Program(path, tuple(table[path.stem])) for path in _in(folder / "leaking")]
    found += [Program(path) for path in _in(folder / "steady")]
    return [p for p in found if not only or p.path.stem in only or p.name in only]


def _in(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.suffix == ".py" or (path / "__main__.py").is_file()
    )


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
            return Outcome(program, error=f"it ended by itself: {last_words(target)}")
        command = [sys.executable, "-m", "leakaudit", "runtime", str(target.pid), "--no-config"]
        command += ["--source", str(program.path), "--duration", f"{duration_s}s", "--format", "json"]
        done = subprocess.run(command, capture_output=True, timeout=3 * duration_s + SPARE_S, check=False)
        if target.poll() is not None:
            return Outcome(program, error=f"it ended while watched: {last_words(target)}")
    except subprocess.TimeoutExpired:
        return Outcome(program, error="the audit did not end")
    finally:
        target.kill()
        target.communicate()
    if done.returncode not in (0, 1):
        return Outcome(program, error=done.stderr.decode(errors="replace").strip()[-300:])
    return judged(program, json.loads(done.stdout), time.monotonic() - began)


def last_words(target: subprocess.Popen) -> str:
    """Return the last line that a program which has ended wrote as an error, or its exit code."""
    lines = target.stderr.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else str(target.returncode)


def judged(program: Program, report: dict, seconds: float) -> Outcome:
    """Return what a report says of a program: what is confirmed, then growth with a name, then what was cleared."""
    findings, told = report["findings"], []
    grown = [f for f in findings if f["verdict"]["status"] == "confirmed"]
    told += [(f["symbol"], "confirmed", f["verdict"]["share"]) for f in grown]
    named = [item for item in report["runtime"]["unexplained"] if item["symbol"]]
    told += [(own_name(program, i["symbol"]), "unexplained", i["share"]) for i in named]
    rest = [f for f in findings if f not in grown]
    told += [(f["symbol"], f["verdict"]["status"], f["verdict"]["share"]) for f in rest]
    rank = next((n for n, (symbol, _, _) in enumerate(told, 1) if symbol in program.expected), 0)
    _, status, share = told[rank - 1] if rank else ("", "", None)
    alarms = tuple(symbol for symbol, status, _ in told if status in ("confirmed", "unexplained"))
    return Outcome(program, rank, status, share, seconds, alarms[: len(grown)], alarms[len(grown) :])


def own_name(program: Program, symbol: str) -> str:
    """Return a symbol of the main module as a scan of its file would write it."""
    plain = symbol.partition("[...]")[0]
    return program.path.stem + plain.removeprefix("__main__") if plain.startswith("__main__.") else plain


def row(outcome: Outcome) -> str:
    """Return one line of the table."""
    share = f"{outcome.share:.0%}" if outcome.share is not None else ""
    rank = outcome.rank or "" if outcome.program.expected else ""
    told = [f"`{name}`" for name in outcome.confirmed] + [f"`{name}`?" for name in outcome.unexplained]
    cells = (
        outcome.program.name,
        "yes" if outcome.passed else "**no**",
        rank,
        outcome.status,
        share,
        outcome.error or ", ".join(told),
        f"{outcome.seconds:.0f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def table(outcomes: Iterable[Outcome], skipped: Iterable[Program], duration_s: float) -> str:
    """Return the whole table with its sums."""
    outcomes = sorted(outcomes, key=lambda o: o.program.name)
    leaking = [o for o in outcomes if o.program.expected]
    steady = [o for o in outcomes if not o.program.expected]
    named = [o for o in steady if o.unexplained]
    by_rule = sum(o.passed and o.status == "confirmed" for o in leaking)
    sums = [
        (
            f"Watched for {duration_s:.0f} s each on {time.strftime('%Y-%m-%d')}: Python {platform.python_version()}, "
            f"{os.cpu_count()} processors."
        ),
        "",
        (
            f"- leaking: the right container was named first in {sum(o.passed for o in leaking)} of {len(leaking)}, "
            f"in {by_rule} of them as a confirmed finding"
        ),
        (
            f"- steady: something was confirmed in {sum(bool(o.confirmed) for o in steady)} of {len(steady)}, "
            f"something else was named as growing in {len(named)}"
        ),
        f"- audits that failed: {sum(bool(o.error) for o in outcomes)}",
        *(f"- not run, needs {p.missing}: {p.name}" for p in skipped),
        "",
        "| program | right | rank | verdict | share | what was named, in order | seconds |",
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--duration", type=float, default=60.0, metavar="S")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument(
        "--folder", type=Path, default=TARGETS, help="where leaking/, steady/, expected.toml are"
    )
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
            print(row(outcome), file=sys.stderr, flush=True)
            outcomes.append(outcome)
    text = table(outcomes, skipped, options.duration)
    print(text, end="")
    if options.write:
        write(options.write, text)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
