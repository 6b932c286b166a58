"""The same files give the same report, whatever order Python's sets have in a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
LOOPS = """
class Runner:
    def __init__(self):
        self.seen = {}

    def first_worker(self):
        while True:
            self.sleep()

    def second_worker(self):
        while True:
            self.sleep()

    def worker(self):
        while True:
            self.sleep()

    def handle(self, request):
        self.seen[request.id] = request
"""


def told(folder: Path, seed: int) -> str:
    done = subprocess.run(
        (
            sys.executable,
            "-m",
            "leakaudit",
            "scan",
            "--no-cache",
            "--jobs",
            "1",
            "--confidence",
            "low",
            "--format",
            "json",
            str(folder),
        ),
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout
    return re.sub(r'"seconds": [\d.e-]+', "", done.stdout)


def test_reports_are_the_same_in_every_process(tmp_path: Path) -> None:
    for path in FIXTURES.rglob("*.py"):
        (tmp_path / "_".join(path.relative_to(FIXTURES).parts)).write_bytes(path.read_bytes())
    (tmp_path / "loops.py").write_text(LOOPS)
    first = told(tmp_path, 1)
    assert first.count('"rule"') > 50
    assert told(tmp_path, 2) == told(tmp_path, 3) == first
