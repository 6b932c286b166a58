"""Audit released packages with a known leak, and their fixed releases, as a user would: by pid, from outside.

Each entry of manifest.json names a package, the release that leaks, the release that does not, and the container. A
virtual environment per release is made in the cache folder, from the package index, and kept. Run with `--write` to
record the table in docs/known-leaks.md; `--only PACKAGE` tries one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = Path.home() / ".cache" / "leakaudit-bench" / "known-leaks"
PAGE = ROOT / "docs" / "known-leaks.md"
START_S = 60.0
MARK = "<!-- table -->"
#: How the audit is told what to look at: by itself, or told to scan the packages too.
WAYS = {"by itself": (), "--include-dependencies": ("--include-dependencies",)}


@dataclass(frozen=True, slots=True)
class Leak:
    """One entry of the manifest."""

    package: str
    leaks: str
    fixed: str
    python: str
    requires: tuple[str, ...]
    workload: str
    kind: str
    containers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an audit named, in order, how many findings it confirmed, and the largest pause in ms."""

    named: tuple[str, ...]
    confirmed: int
    pause_ms: float


def main() -> int:
    """Try every entry in every way, print a row for each, and return how many went wrong."""
    options = parse()
    rows, wrong = [], 0
    for leak in manifest(options.manifest):
        if options.only and options.only not in (leak.package, leak.workload):
            continue
        row, good = tried(leak, options)
        wrong += not good
        rows.append(row)
        print(row, flush=True)
    if options.write:
        write(rows)
    return min(wrong, 100)


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Audit releases of packages with known leaks.")
    parser.add_argument("--duration", type=int, default=20, help="seconds of watching")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where virtual environments are kept")
    parser.add_argument("--only", help="one package or workload")
    parser.add_argument("--manifest", type=Path, default=HERE / "manifest.json")
    parser.add_argument("--pythons", type=Path, help="folder of interpreters, as pyenv's `versions`")
    parser.add_argument("--write", action="store_true", help="record the table in docs/known-leaks.md")
    return parser.parse_args()


def manifest(path: Path) -> list[Leak]:
    """Return the entries."""
    lists = ("requires", "containers")
    return [
        Leak(**{key: tuple(value) if key in lists else value for key, value in entry.items()})
        for entry in json.loads(path.read_text(encoding="utf-8"))
    ]


def tried(leak: Leak, options: argparse.Namespace) -> tuple[str, bool]:
    """Return a row of the table and whether all went well."""
    cells, good = [], True
    for way, arguments in WAYS.items():
        before = audited(leak, leak.leaks, arguments, options)
        after = audited(leak, leak.fixed, arguments, options)
        place = rank(before.named, leak.containers)
        good = good and place == 1 and after.confirmed == 0 and rank(after.named, leak.containers) == 0
        first = before.named[0] if before.named else "nothing"
        cells += [f"`{first}`" + ("" if place == 1 else f" (right: {place or 'not named'})")]
        cells += [f"{after.confirmed} confirmed, {len(after.named)} named"]
        print(f"  {leak.package} {way}: {before} | fixed: {after}", file=sys.stderr, flush=True)
    row = [f"{leak.package} {leak.leaks} / {leak.fixed}", leak.python, leak.kind, *cells]
    return "| " + " | ".join(row) + " |", good


def rank(named: Sequence[str], containers: Sequence[str]) -> int:
    """Return at which place one of the containers was named, 0 if at none."""
    bare = [name.replace("[...]", "") for name in named]
    return next((place for place, name in enumerate(bare, 1) if name in containers), 0)


def audited(leak: Leak, version: str, arguments: Sequence[str], options: argparse.Namespace) -> Outcome:
    """Run a workload on one release, audit it, and end it."""
    python = environment(leak, version, options)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(shutil.copy(HERE / "workloads" / f"{leak.workload}.py", folder))
        process = subprocess.Popen(
            [python, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
        )
        try:
            if not ready(process):
                raise SystemExit(f"{leak.workload} does not run with {leak.package} {version}")
            return audit(process.pid, arguments, options.duration, Path(folder, "report.json"))
        finally:
            process.kill()
            process.wait()


def ready(process: subprocess.Popen[str]) -> bool:
    """Wait until a workload says that it runs."""
    end = time.monotonic() + START_S
    assert process.stdout is not None
    for line in process.stdout:
        if line == "READY\n":
            return True
        if time.monotonic() > end:
            break
    return False


def audit(pid: int, arguments: Sequence[str], duration: int, out: Path) -> Outcome:
    """Audit a process by the command line, and return what the report says."""
    command = [sys.executable, "-m", "leakaudit", "runtime", str(pid), "--duration", f"{duration}s"]
    done = subprocess.run(
        [*command, "--format", "json", "-o", str(out), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return outcome(json.loads(out.read_text(encoding="utf-8")))


def outcome(report: dict[str, Any]) -> Outcome:
    """Return what a report names: confirmed findings first, as in the report, then growth that none explains."""
    confirmed = [
        finding["symbol"]
        for finding in report["findings"]
        if finding["verdict"] and finding["verdict"]["status"] == "confirmed"
    ]
    unexplained = [item["symbol"] or f"({item['type']})" for item in report["runtime"]["unexplained"]]
    return Outcome((*confirmed, *unexplained), len(confirmed), report["runtime"]["pause_ms"]["largest"])


def environment(leak: Leak, version: str, options: argparse.Namespace) -> Path:
    """Return the interpreter of a virtual environment that has one release, which is made if there is none."""
    folder = options.cache / f"{leak.package}-{version}"
    python = folder / "bin" / "python"
    if not (folder / "ok").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([interpreter(leak.python, options.pythons), "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"{leak.package}=={version}", *leak.requires], check=True)
        (folder / "ok").touch()
    return python


def interpreter(version: str, folder: Path | None) -> str:
    """Return a Python of a minor version."""
    if folder is not None:
        found = sorted(folder.glob(f"{version}.*/bin/python"))
        if found:
            return str(found[-1])
    known = shutil.which(f"python{version}")
    if known is None:
        raise SystemExit(f"there is no python{version}; name a folder of interpreters with --pythons")
    return known


def write(rows: Sequence[str]) -> None:
    """Replace the table in the page."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(MARK)
    _, _, tail = rest.partition(MARK)
    ways = [cell for way in WAYS for cell in (f"named first, {way}", "on the fixed release")]
    titles = ["package, releases", "Python", "what leaks", *ways]
    table = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles), *rows]
    PAGE.write_text(head + MARK + "\n" + "\n".join(table) + "\n" + MARK + tail, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
