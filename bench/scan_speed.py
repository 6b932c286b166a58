"""Measure what a scan of Django costs, beside other linters and beside parsing alone, in one run on one machine.

python bench/scan_speed.py                               the table
python bench/scan_speed.py --write docs/performance.md   put it into the page
python bench/scan_speed.py --only leakaudit --rounds 5   without the others, which take minutes

The others are released packages, installed by name and version into a temporary folder. All run in one process or as
few as they let us ask for, without caches; what counts is processor time, user and system, of a tool and its children.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "django==5.2"
PACKAGES = ("flake8==7.1.2", "flake8-bugbear==24.12.12", "pylint==3.3.4", "ruff==0.9.7", "fixit==2.1.0")
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
PARSE = """
import ast, gc, os, sys
gc.disable()
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        if name.endswith(".py"):
            with open(os.path.join(folder, name), "rb") as stream:
                ast.parse(stream.read())
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that one command took: processor time and by the clock."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Tool:
    """One row: its name, its command (without the folder), and whether it belongs to leakaudit."""

    name: str
    command: tuple[str, ...]
    ours: bool = False
    rounds: int = 1


def run(command: Sequence[str], folder: Path, cache: Path) -> Cost:
    """Run a command to its end; whatever it finds is no failure, but a crash is."""
    environment = surroundings(cache)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        (*command, str(folder)), capture_output=True, text=True, env=environment, check=False
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode < 0 or "Traceback (most recent call last)" in done.stderr:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall)


def surroundings(cache: Path) -> dict[str, str]:
    """The environment of a run: caches of its own, and compiled modules as an installed package has them."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    own |= {"XDG_CACHE_HOME": str(cache), "PYTHONPYCACHEPREFIX": str(cache / "compiled")}
    return own | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def best(costs: Sequence[Cost]) -> Cost:
    """The run that was disturbed least."""
    return min(costs, key=lambda cost: cost.cpu)


def unpack_source(work: Path) -> Path:
    """Download the wheel of what is scanned; return the folder of its code."""
    pip("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(work), SOURCE)
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work / "source")
    return work / "source"


def pip(*arguments: str) -> None:
    """Run this interpreter's pip."""
    subprocess.run((sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments), check=True)


def others(work: Path) -> Path:
    """Install the other linters; return the folder of their commands."""
    venv = work / "venv"
    subprocess.run(
        (str(ROOT / "tools" / "venv"), str(venv), *PACKAGES),
        env={**os.environ, "PYTHON": sys.executable},
        check=True,
    )
    return venv / "bin"


def tools(commands: Path | None, rounds: int) -> list[Tool]:
    """All rows, ours first."""
    scan = (sys.executable, "-m", "leakaudit", "scan", "--quiet", "--no-config", "-o", os.devnull)
    found = [
        Tool("`ast.parse` alone", (sys.executable, "-c", PARSE), True, rounds),
        Tool("leakaudit, nothing cached", (*scan, "--jobs", "1", "--no-cache"), True, rounds),
        Tool("leakaudit, nothing changed", (*scan, "--jobs", "1"), True, rounds),
        Tool("leakaudit, one file changed", (*scan, "--jobs", "1"), True, rounds),
    ]
    if commands is not None:
        found += [
            Tool(
                "ruff, bugbear rules",
                (f"{commands}/ruff", "check", "--isolated", "--no-cache", "--quiet", "--select", "B"),
            ),
            Tool("flake8-bugbear", (f"{commands}/flake8", "--isolated", "-j", "1", "--select", "B")),
            Tool(
                "pylint",
                (f"{commands}/pylint", "--rcfile", os.devnull, "-j", "1", "--recursive", "y", "--score", "n"),
            ),
            Tool("Fixit", (f"{commands}/fixit", "--quiet", "lint")),
        ]
    return found


def prepared(tool: Tool, folder: Path) -> Callable[[], None]:
    """What has to happen before each run."""
    target = folder / "django" / "db" / "models" / "query.py"

    def change() -> None:
        with target.open("a") as stream:
            stream.write("# changed\n")

    return change if "one file changed" in tool.name else lambda: None


def measure(work: Path, rounds: int, with_others: bool) -> list[tuple[Tool, Cost]]:
    """Run all tools one after the other."""
    source = unpack_source(work)
    settle(source)
    rows = []
    for tool in tools(others(work) if with_others else None, rounds):
        cache = work / "cache"
        if tool.ours:
            run(tool.command, source, cache)  # a first time, for the interpreter's own caches and for ours
        prepare = prepared(tool, source)
        costs = []
        for _ in range(tool.rounds):
            prepare()
            costs.append(run(tool.command, source, cache))
        rows.append((tool, best(costs)))
        print(f"{tool.name}: {rows[-1][1].cpu:.2f} s", file=sys.stderr)
    return rows


def settle(folder: Path) -> None:
    """Date all files back: what was written only just now may change again under the same date."""
    then = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def table(rows: Sequence[tuple[Tool, Cost]], files: int, lines: int) -> str:
    """The rows as Markdown."""
    parse = rows[0][1].cpu
    cold = rows[1][1].cpu
    text = [
        f"{SOURCE}, {files} files, {lines:,} lines; Python {platform.python_version()}, {processor()}.",
        "",
        "| | CPU s | wall s | x `ast.parse` | x leakaudit |",
        "|---|---|---|---|---|",
    ]
    for tool, cost in rows:
        text.append(
            f"| {tool.name} | {cost.cpu:.2f} | {cost.wall:.2f} | {cost.cpu / parse:.1f} | {cost.cpu / cold:.2f} |"
        )
    return "\n".join(text)


def processor() -> str:
    """What runs this, in words."""
    try:
        names = [n for n in Path("/proc/cpuinfo").read_text().split("\n") if n.startswith("model name")]
        model = names[0].partition(": ")[2]
    except (OSError, IndexError):
        model = platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {model}"


def put(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between its marks in a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of leakaudit and ast.parse; the best counts"
    )
    parser.add_argument("--only", choices=("leakaudit",), help="leave the other linters out")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.rounds, options.only is None)
        sources = list((Path(folder) / "source").rglob("*.py"))
        lines = sum(path.read_bytes().count(b"\n") for path in sources)
    text = table(rows, len(sources), lines)
    print(text)
    if options.write:
        put(options.write, BEGIN, END, text)


if __name__ == "__main__":
    main()
