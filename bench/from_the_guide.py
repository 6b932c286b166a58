"""The memory-debugging guide, step by step: run what replaces it on the federated fixture, and show what it prints.

    python bench/from_the_guide.py [--write docs/from-the-guide.md]

About four minutes. Exits 1 if a command does not print what the page says of it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from guide_steps import STEPS, Step

from leakaudit.demo.federation import NODES
from leakaudit.demo.processes import Children

ROOT = Path(__file__).resolve().parent.parent
FEDERATED = "tests/fixtures/federated"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TIMEOUT_S = 240
#: Which source each federation runs. An audit has a federation of its own: a monitor would see the audit, too.
FEDERATIONS = {"server": "server", "audited": "server", "fixed": "fixed", "fixed audited": "fixed"}
GAP = "[...]"
WIDE = 66  # characters of a command in the table


def tree(folder: Path, source: str) -> Path:
    """Return a copy of the fixture in which `source` lies where the server's source is, under the same path."""
    here = folder / source / FEDERATED
    shutil.copytree(ROOT / FEDERATED / source, here / "server")
    shutil.copytree(ROOT / FEDERATED / "nodes", here / "nodes")
    for file in here.joinpath("server").rglob("*.py"):
        file.write_text(
            file.read_text(encoding="utf-8").replace("from fixed.", "from server."), encoding="utf-8"
        )
    return folder / source


@contextlib.contextmanager
def federation(place: Path) -> Iterator[dict[str, str]]:
    """Run a server and its eight nodes for the length of the block; yield what the commands' words stand for."""
    with tempfile.TemporaryDirectory(prefix="leakaudit-guide-") as folder, Children(Path(folder)) as children:
        Path(folder, "data").mkdir()
        started = children.start(
            "server",
            (
                *(
                    sys.executable,
                    f"{place}/{FEDERATED}/server/main.py",
                    "--port",
                    "0",
                    "--round-interval",
                    "0.25",
                ),
                *("--min-nodes", str(len(NODES)), "--verbose", "--data-dir", f"{folder}/data"),
                *("--round-log", f"{folder}/rounds.log"),
            ),
        )
        port = started.wait_for("PORT", 30)
        nodes = [
            children.start(
                name,
                (sys.executable, f"{place}/{FEDERATED}/nodes/__main__.py", "--names", name, "--port", port),
            ).pid
            for name in NODES
        ]
        yield {"PID": str(started.pid), "ALL": " ".join(map(str, (started.pid, *nodes)))}


def run(step: Step, words: Mapping[str, str], folder: Path, place: Path = ROOT) -> str:
    """Run a step's command in a shell of its own and return what it printed, without the paths of this machine."""
    command = step.command.replace("leakaudit ", f"{sys.executable} -m leakaudit ", 1)
    command = command.replace(" python ", f" {sys.executable} ")
    for word, meant in {**words, "SESSIONS/": f"{folder}/"}.items():
        command = command.replace(word, meant)
    done = subprocess.run(
        shlex.split(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        cwd=place,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
    )
    text = done.stdout + f"exit code {done.returncode}\n"
    for known, told in ((sys.executable, "python"), (f"{place}/", ""), (f"{folder}/", ""), (f"{ROOT}/", "")):
        text = text.replace(known, told)
    return re.sub(r"/\S*leakaudit-guide-\w+/", "", text)


def shortened(step: Step, text: str) -> list[str]:
    """Return the lines that the step is about; raise ValueError for a pattern that no line matches."""
    lines = text.splitlines()
    kept: set[int] = set()
    for pattern, more in step.shows:
        seen = ("\n".join(lines[i : i + 1 + ("\\n" in pattern)]) for i in range(len(lines)))
        at = next((i for i, part in enumerate(seen) if i not in kept and re.search(pattern, part)), None)
        if at is None:
            raise ValueError(f"{step.command}: nothing matches {pattern!r} in\n{text}")
        kept.update(range(at, min(at + more + 1, len(lines))))
    shown: list[str] = []
    for i in sorted(kept):
        if i and i - 1 not in kept:
            shown.append(GAP)
        shown.append(lines[i].rstrip())
    return shown if max(kept) == len(lines) - 1 else [*shown, GAP]


def outputs(folder: Path) -> dict[str, str]:
    """Run each command once; federations run at the same time, so that no command sees another one's work."""
    found: dict[str, str] = {}
    with ThreadPoolExecutor(len(FEDERATIONS)) as pool:
        for texts in pool.map(lambda where: watched(where, folder), FEDERATIONS):
            found |= texts
    for where in ("verify", ""):
        found |= {step.command: run(step, {}, folder) for step in commands(where)}
    return found


def watched(where: str, folder: Path) -> dict[str, str]:
    """Return command -> output of all that looks at one federation, one after the other."""
    place = tree(folder / where.replace(" ", "-"), FEDERATIONS[where])
    with federation(place) as words:
        return {step.command: run(step, words, folder, place) for step in commands(where)}


def commands(where: str) -> Iterable[Step]:
    """Return the first step with each command."""
    return {step.command: step for step in reversed(STEPS) if step.where == where}.values()


def page(printed: Mapping[str, str]) -> str:
    """Return the table of the steps, and below it what each command printed."""
    rows = ["| the guide | by hand | leakaudit | what it says |", "|---|---|---|---|"]
    blocks: list[str] = []
    for number, step in enumerate(STEPS, 1):
        title = f"{number}. {step.title}"
        link = f"[{number}](#{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')})"
        rows.append(f"| {step.guide} | {step.by_hand} | {_brief(step.command)} | {step.says} ({link}) |")
        lines = (f"    {line}".rstrip() for line in shortened(step, printed[step.command]))
        blocks += ["", f"### {title}", "", f"    $ {step.command}", *lines]
    return "\n".join([*rows, "", "## What it printed", *blocks])


def _brief(command: str) -> str:
    """Return a command as the table has it; the whole one stands with its output."""
    return f"`{command if len(command) <= WIDE else command[:WIDE].rpartition(' ')[0] + ' ' + GAP}`"


def main() -> None:
    """Run everything; write the page if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, help="page whose measured part is replaced")
    parser.add_argument("--keep", type=Path, help="keep what was printed in this file, or show what it holds")
    options = parser.parse_args()
    target = options.write and options.write.resolve()
    kept = options.keep and options.keep.resolve()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="leakaudit-guide-") as folder:
        printed = json.loads(kept.read_text()) if kept and kept.exists() else outputs(Path(folder))
        if kept:
            kept.write_text(json.dumps(printed))
        try:
            text = page(printed)
        except ValueError as error:
            sys.exit(str(error))
    if target:
        before, rest = target.read_text(encoding="utf-8").split(BEGIN)
        target.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
