"""What `leakaudit monitor` costs itself: its CPU and memory while it watches many processes.

    python bench/monitor_cost.py [--processes 50] [--seconds 60] [--every 1s] [--mb 50] [--terminal]
    python bench/monitor_cost.py --day

Starts that many idle processes of `--mb` megabytes each, runs the monitor over them, and ends them. `--day` feeds the
monitor a day of made-up figures, one look a second, as fast as it takes them.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import psutil

from leakaudit.process.budget import Ledger
from leakaudit.process.monitor import Monitor
from leakaudit.process.sample import Descriptors, Details, SendQueues, Stat
from leakaudit.process.sampler import Sampler
from leakaudit.process.selection import Selection

ROOT = Path(__file__).resolve().parent.parent
HOLD = "import sys; x = b'x' * (int(sys.argv[2]) << 20); print('READY', flush=True); sys.stdin.read()"


def hold(number: int, megabytes: int, stack: ExitStack) -> int:
    """Start one process that holds memory until it is ended."""
    command = [sys.executable, "-c", HOLD, f"held_{number}", str(megabytes)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(child.communicate)
    stack.callback(child.kill)
    assert child.stdout is not None
    assert child.stdout.readline() == "READY\n"
    return child.pid


def drain(fd: int) -> None:
    """Read a terminal until its other end is closed."""
    try:
        while os.read(fd, 1 << 16):
            pass
    except OSError:  # what Linux says instead of an end
        pass


class MadeUp:
    """A reader of processes that do not exist and whose figures never stand still."""

    def __init__(self, processes: int) -> None:
        self.turn, self.pids = 0, range(1000, 1000 + processes)

    def stat(self, pid: int) -> Stat:
        """Figures that depend on the turn."""
        return Stat(
            pid, 1, f"held_{pid}", "S", 1.0, self.turn / 100, 3 + self.turn % 5, (self.turn * pid) % 10**9
        )

    def table(self) -> dict[int, Stat]:
        """All of them."""
        return {pid: self.stat(pid) for pid in self.pids}

    def command(self, pid: int) -> tuple[str, ...]:
        """A command line that matches."""
        return ("python3", "held.py", f"held_{pid}")

    def details(self, pids: Iterable[int]) -> dict[int, Details]:
        """Descriptors, queues and logs that grow."""
        seen = Details(float(self.turn), None, Descriptors(self.turn % 50), SendQueues(self.turn), ())
        return dict.fromkeys(pids, seen)


def day(processes: int) -> None:
    """Print the memory that a day leaves behind."""
    reader = MadeUp(processes)
    selection = Selection(reader, match=re.compile("held"))
    watched = Monitor(selection, Sampler(reader), Ledger(()))
    watched.start()
    own = psutil.Process()
    for turn in range(86_400):
        reader.turn = turn
        watched.look()
        if turn in (600, 3600, 86_399):
            print(f"after {turn + 1} looks at {processes} processes: {own.memory_info().rss / 2**20:.1f} MiB")


def main() -> None:
    """Print processor share and peak memory of the monitor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--every", default="1s")
    parser.add_argument("--mb", type=int, default=50)
    parser.add_argument("--terminal", action="store_true", help="draw the live table instead of lines")
    parser.add_argument("--day", action="store_true")
    options = parser.parse_args()
    if options.day:
        day(options.processes)
        return
    with ExitStack() as stack:
        pids = [hold(i, options.mb, stack) for i in range(options.processes)]
        out = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".jsonl"))
        command = [sys.executable, "-m", "leakaudit", "monitor", *map(str, pids), "--no-config"]
        command += ["--every", options.every, "--for", f"{options.seconds}s", "-o", out.name]
        master, slave = pty.openpty()
        target = slave if options.terminal else subprocess.DEVNULL
        env = {**os.environ, "COLUMNS": "140", "LINES": "70"}
        child = subprocess.Popen(command, cwd=ROOT, stdout=target, env=env)
        os.close(slave)
        reader = threading.Thread(target=drain, args=(master,))
        reader.start()
        time.sleep(5)  # start-up, the summary at the end and one look at all details are not the steady state
        process = psutil.Process(child.pid)
        before, started = process.cpu_times(), time.monotonic()
        time.sleep(options.seconds - 8)
        after, lasted = process.cpu_times(), time.monotonic() - started
        rss = process.memory_info().rss
        child.wait()
        reader.join()
        os.close(master)
        samples = Path(out.name).read_text().count('"kind":"sample"')
    share = (after.user + after.system - before.user - before.system) / lasted
    shown = "live table" if options.terminal else "lines"
    print(
        f"{options.processes} processes of {options.mb} MB every {options.every}, {shown}: "
        f"{100 * share:.2f} % of one core, {rss / 2**20:.1f} MiB, {samples} samples, exit {child.returncode}"
    )


if __name__ == "__main__":
    main()
