"""Measure how a scan grows: time and memory over trees of 125,000 to 4,000,000 lines.

python bench/scan_scale.py FOLDER...                             the table; FOLDER holds Python packages to copy
python bench/scan_scale.py FOLDER... --write docs/performance.md put it into the page

The trees are copies of the packages under FOLDER, each copy under a name of its own and with a comment that makes its
files differ, so that no content is met twice.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from scan_speed import put, surroundings

SIZES = (125_000, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000)
BEGIN, END = "<!-- scale: begin -->", "<!-- scale: end -->"
#: Runs a scan and prints its largest resident size in KiB, workers apart.
CHILD = """
import resource, sys
from leakaudit.cli.main import cli
try:
    cli.main(sys.argv[1:], standalone_mode=False)
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def sources(folders: Sequence[Path]) -> Iterator[tuple[Path, bytes]]:
    """Each Python file below the folders, by its path below them, again and again."""
    files = [(path.relative_to(folder), path) for folder in folders for path in sorted(folder.rglob("*.py"))]
    if not files:
        raise SystemExit("no Python files there")
    copy = 0
    while True:
        for inner, path in files:
            yield Path(f"copy{copy}") / inner, path.read_bytes() + f"\n# copy {copy}\n".encode()
        copy += 1


def grow(tree: Path, supply: Iterator[tuple[Path, bytes]], lines: int, wanted: int) -> int:
    """Write files until the tree has as many lines as wanted; return how many it has."""
    while lines < wanted:
        inner, data = next(supply)
        target = tree / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        os.utime(target, (time.time() - 3600,) * 2)
        lines += data.count(b"\n")
    return lines


def scan(tree: Path, cache: Path, *more: str) -> tuple[float, float]:
    """Return the seconds of processor time and the MiB that a scan of the tree takes."""
    command = (
        sys.executable,
        "-c",
        CHILD,
        "scan",
        "--quiet",
        "--no-config",
        "-o",
        os.devnull,
        *more,
        str(tree),
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings(cache), check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peaks = [line for line in done.stderr.split("\n") if line.startswith("peak ")]
    if not peaks:
        raise SystemExit(done.stderr[-2000:])
    return seconds, int(peaks[-1].split()[1]) / 1024


def rows(folders: Sequence[Path], sizes: Sequence[int], jobs: int) -> Iterator[str]:
    """Scan ever larger trees, cold and again; yield the lines of the table."""
    yield "| lines | nothing cached, CPU s | us per line | nothing changed, CPU s | peak memory, MiB |"
    yield "|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        tree, lines = Path(folder) / "tree", 0
        supply = sources(folders)
        for number, size in enumerate(sizes):
            lines = grow(tree, supply, lines, size)
            cache = Path(folder) / f"cache{number}"
            cold, memory = scan(tree, cache, "--jobs", str(jobs))
            warm, _ = scan(tree, cache, "--jobs", str(jobs))
            yield f"| {lines:,} | {cold:.1f} | {cold / lines * 1e6:.1f} | {warm:.2f} | {memory:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--up-to", type=int, default=SIZES[-1], metavar="LINES")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args()
    found = []
    for row in rows(options.folders, [s for s in SIZES if s <= options.up_to], options.jobs):
        print(row, flush=True)
        found.append(row)
    if options.write:
        put(options.write, BEGIN, END, "\n".join(found))


if __name__ == "__main__":
    main()
