"""Adopt leakaudit on old code bases: `make bench-adopt`.

Downloads a release from the package index, makes a repository of it, and goes the way of the guide: a baseline, old
findings quiet, a new leak that is caught by what the hook runs and by a real `git commit`, an old one mended and gone
from the baseline. Each step is checked; a step that fails ends the program with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

BEGIN, END = "<!-- adopt: begin -->", "<!-- adopt: end -->"
LEAKAUDIT = (str(Path(sys.executable).with_name("leakaudit")),)
HOOK = (*LEAKAUDIT, "scan", "--force-exclude")
BASELINE = "leaks.json"
REPEATS = 7
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Change:
    """Text of a file that is replaced."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if self.old not in text:
            raise SystemExit(f"{self.file} does not hold what was to be changed")
        path.write_text(text.replace(self.old, self.new, 1), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Story:
    """A release, a leak that somebody adds, with the symbol it has, and the cure of an old one."""

    package: str
    version: str
    leak: tuple[Change, ...]
    leaks: str
    cure: tuple[Change, ...]
    cured: str


STORIES = (
    Story(
        "celery",
        "5.2.7",
        leak=(
            Change(
                "celery/worker/request.py",
                "\nclass Request:\n",
                "\n_accepted_at = {}\n\n\nclass Request:\n",
            ),
            Change(
                "celery/worker/request.py",
                "        task_accepted(self)\n        if not self.task.acks_late:\n",
                "        task_accepted(self)\n        _accepted_at[self.id] = time_accepted\n"
                "        if not self.task.acks_late:\n",
            ),
        ),
        leaks="celery.worker.request._accepted_at",
        cure=(
            Change(
                "celery/worker/state.py",
                "from collections import Counter\n",
                "from collections import Counter, deque\n",
            ),
            Change(
                "celery/worker/state.py", "    bench_sample = []\n", "    bench_sample = deque(maxlen=1000)\n"
            ),
        ),
        cured="celery.worker.state.bench_sample",
    ),
    Story(
        "buildbot",
        "3.5.0",
        leak=(
            Change(
                "buildbot/reporters/telegram.py",
                "    query_cache = {}\n",
                "    query_cache = {}\n    seen_updates = []\n",
            ),
            Change(
                "buildbot/reporters/telegram.py",
                "        data = {}\n\n        message = update.get('message')\n",
                "        data = {}\n        self.seen_updates.append(update)\n\n"
                "        message = update.get('message')\n",
            ),
        ),
        leaks="buildbot.reporters.telegram.TelegramStatusBot.seen_updates",
        cure=(
            Change(
                "buildbot/reporters/telegram.py",
                "                self.bot.query_cache[key] = payload\n",
                "                self.bot.query_cache[key] = payload\n"
                "                while len(self.bot.query_cache) > 1000:\n"
                "                    self.bot.query_cache.pop(next(iter(self.bot.query_cache)))\n",
            ),
        ),
        cured="buildbot.reporters.telegram.TelegramStatusBot.query_cache",
    ),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a whole command: by the clock, and of processors, which others on the machine lengthen less."""

    clock: float
    processor: float


@dataclass(slots=True)
class Told:
    """What a story came to. Times in seconds, of whole commands."""

    title: str
    files: int = 0
    lines: int = 0
    first_s: float = 0.0
    found: int = 0
    old_shown: int = 0
    warm: list[Cost] = field(default_factory=list)
    catch: list[Cost] = field(default_factory=list)
    commit_s: float = 0.0
    left: int = 0
    said: str = ""

    def row(self) -> str:
        return (
            f"| {self.title} | {self.files:,} | {self.lines:,} | {self.first_s:.1f} | {self.found} "
            f"| {self.old_shown} | {_costs(self.warm)} | {_costs(self.catch)} "
            f"| {self.commit_s:.1f} | {self.found} -> {self.left} |"
        )


class Repository:
    """A release as a repository of somebody who adopts leakaudit, with a cache of its own."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.root = folder / story.package
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PRE_COMMIT_HOME": str(folder / "pre-commit"),
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            **{f"GIT_{who}_{what}": "b@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }  # fmt: skip
        download(story, self.root)
        (self.root / "pyproject.toml").write_text(f'[tool.leakaudit]\nbaseline = "{BASELINE}"\n')
        self.run("git", "init", "-q")
        self.commit("Import the release")

    def run(self, *command: str, code: int = 0) -> tuple[str, Cost]:
        """Run a command that has to end with `code`; return its output and what it took."""
        began, used = time.perf_counter(), _processor()
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        took = Cost(time.perf_counter() - began, _processor() - used)
        if done.returncode != code:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}, not {code}:\n{done.stdout}")
        return done.stdout, took

    def commit(self, message: str, code: int = 0) -> tuple[str, Cost]:
        self.run("git", "add", "-A")
        return self.run("git", "commit", "-qm", message, code=code)

    def install_hook(self) -> None:
        """Install pre-commit with what the hook `leakaudit` runs, by this interpreter's leakaudit."""
        entry = " ".join(HOOK)
        (self.root / ".pre-commit-config.yaml").write_text(
            "repos:\n- repo: local\n  hooks:\n  - id: leakaudit\n    name: leakaudit\n"
            f"    entry: {entry}\n    language: system\n    types: [python]\n    require_serial: true\n"
        )
        self.run(sys.executable, "-m", "pre_commit", "install")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--package", choices=[story.package for story in STORIES], action="append")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into the page")
    args = parser.parse_args()
    rows = []
    for story in STORIES:
        if not args.package or story.package in args.package:
            with tempfile.TemporaryDirectory() as folder:
                told = live(story, Path(folder))
            print(f"{told.title}: {told.said}", flush=True)
            rows.append(told.row())
    text = table(rows)
    print(text)
    if args.write:
        write(args.write, text)
    return 0


def live(story: Story, folder: Path) -> Told:
    """Go through the story and return what it came to."""
    told = Told(f"{story.package} {story.version}")
    repository = Repository(story, folder)
    report, first = scan_json(repository, "--no-config", code=1)
    told.files, told.lines = report["summary"]["files"], report["summary"]["lines"]
    told.found, told.first_s = len(shown(report)), first.clock

    repository.run(*LEAKAUDIT, "scan", "--no-config", "--write-baseline", BASELINE)
    repository.commit("Accept what leakaudit found")
    report, _ = scan_json(repository)
    told.old_shown = len(shown(report))
    touched = story.leak[0].file
    told.warm = [repository.run(*HOOK, touched)[1] for _ in range(REPEATS)]

    repository.install_hook()
    repository.commit("Install the hook")
    for change in story.leak:
        change.apply(repository.root)
    # Each time the file is one that no scan has read: as after an edit.
    for number in range(REPEATS):
        with (repository.root / touched).open("a", encoding="utf-8") as file:
            file.write(f"# {number}\n")
        output, took = repository.run(*HOOK, touched, code=1)
        expect(told, story.leaks in output and "1 finding " in output, "the new leak, alone", output)
        told.catch.append(took)
    output, took = repository.commit("Remember what came", code=1)
    told.commit_s = took.clock
    expect(told, story.leaks in output, "a commit that is refused", output)
    repository.run("git", "checkout", "-q", "-f", "HEAD")

    for change in story.cure:
        change.apply(repository.root)
    output, _ = repository.run(*LEAKAUDIT, "scan")
    expect(told, "1 of the baseline's findings is gone" in output, "a note on what is gone", output)
    told.said, _ = repository.run(*LEAKAUDIT, "scan", "--no-config", "--write-baseline", BASELINE)
    symbols = [item["symbol"] for item in json.loads((repository.root / BASELINE).read_text())["findings"]]
    expect(told, story.cured not in symbols, "a baseline without it", str(symbols))
    told.left = len(symbols)
    expect(told, told.left == told.found - 1, "one entry less", str(symbols))
    told.said = told.said.strip()
    return told


def scan_json(repository: Repository, *more: str, code: int = 0) -> tuple[dict, Cost]:
    output, took = repository.run(*LEAKAUDIT, "scan", *more, "--format", "json", code=code)
    return json.loads(output), took


def shown(report: dict) -> list[dict]:
    return [
        item
        for item in report["findings"]
        if item["suppressed"] is None and item["confidence"] in ("medium", "high")
    ]


def expect(told: Told, true: bool, what: str, output: str) -> None:
    if not true:
        raise SystemExit(f"{told.title}: expected {what}:\n{output}")


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _costs(costs: Sequence[Cost]) -> str:
    """Write the median and the least by the clock, and the median of processors."""
    clock = [cost.clock for cost in costs]
    processor = statistics.median(cost.processor for cost in costs)
    return f"{statistics.median(clock):.2f} ({min(clock):.2f}; {processor:.2f})"


def download(story: Story, into: Path) -> None:
    """Unpack a release's wheel from the package index."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
             "--dest", folder, f"{story.package}=={story.version}"),
            check=True,
            timeout=TIMEOUT_S,
        )  # fmt: skip
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(into)
    for info in into.glob("*.dist-info"):
        shutil.rmtree(info)


def table(rows: Iterable[str]) -> str:
    heading = (
        "| release | files | lines | first scan, s | findings | shown with the baseline | hook, nothing new, s "
        "| hook, a new leak, s | `git commit`, s | baseline after the cure |"
    )
    return "\n".join((heading, "|---|" + "---:|" * 9, *rows))


def write(page: Path, text: str) -> None:
    """Put the table between the page's marks."""
    old = page.read_text(encoding="utf-8")
    head, _, rest = old.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
