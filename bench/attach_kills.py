"""Kill controllers at random moments while they attach to a busy interpreter, and count what the target makes of it.

    python bench/attach_kills.py --kills 100 --python /path/to/python3.11

The target is that of `attach_torture.py`. A controller attaches as fast as it can; after a random time it is killed
(`kill -9`), and the next one begins. Prints one row per target; exits 1 when one died or did not end well.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from attach_torture import STATES, Target, name_of, size

ROOT = Path(__file__).parent.parent
LONGEST_S = 0.6  # several attaches
CONTROLLER = """
import os, sys
from leakaudit.runtime.attach import ladder, preflight
target, mark, method = preflight.inspect(int(sys.argv[1])), sys.argv[2], sys.argv[3]
source = f"with open({mark!r}, 'a') as mark: mark.write('x')".encode()
print('READY', flush=True)
while True:
    before = os.path.getsize(mark)
    ladder.choose(target, method).inject(target, source, lambda: os.path.getsize(mark) > before, 30)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What the kills on the targets of one interpreter came to."""

    python: str
    state: str
    kills: int
    attaches: int
    deaths: int
    complaints: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"| {self.python} | {self.state} | {self.kills} | {self.attaches} | {self.kills - self.deaths} |"
        )

    @property
    def ok(self) -> bool:
        """Tell whether every target lived and ended well."""
        return self.deaths == 0 and not self.complaints


HEADER = "| target | main | kills | attaches meanwhile | survived |\n|---|---|---|---|---|"


def kill_controllers(python: str, state: str, method: str, kills: int) -> Row:
    """Kill so many controllers of one kind of target, of which there is a new one after each death."""
    done = attaches = deaths = 0
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        while done < kills and deaths < 5:
            target = Target(python, state)
            try:
                while done < kills and target.alive:
                    mark = Path(folder) / str(done)
                    mark.touch()
                    _kill_one(target, mark, method)
                    done += 1
                    attaches += size(mark)
                lived = target.alive
                deaths += not lived
                complaint = target.end() if lived else f"died after {done} kills"
            finally:
                target.close()
            complaints += filter(None, [complaint])
    return Row(name_of(python), state, done, attaches, deaths, tuple(complaints))


def _kill_one(target: Target, mark: Path, method: str) -> None:
    controller = subprocess.Popen(
        (sys.executable, "-c", CONTROLLER, str(target.pid), str(mark), method),
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert controller.stdout is not None
        controller.stdout.readline()
        time.sleep(random.uniform(0, LONGEST_S))
    finally:
        controller.kill()
        controller.communicate()


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--python", action="append", help="interpreter of the target; may be repeated")
    parser.add_argument("--main-state", action="append", choices=STATES)
    parser.add_argument("--method", default="auto")
    options = parser.parse_args()
    print(HEADER)
    rows = [
        kill_controllers(python, state, options.method, options.kills)
        for python in options.python or [sys.executable]
        for state in options.main_state or ["computing", "join"]
    ]
    for row in rows:
        print(row, *row.complaints, sep="\n", flush=True)
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
