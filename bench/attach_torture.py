"""Attach to a busy interpreter again and again, and count what breaks.

    python bench/attach_torture.py --cycles 200 --python /path/to/python3.9 --main-state join
    python bench/attach_torture.py --cycles 200 --kills 100 --python ... --write docs/attach-safety.md

The target: five threads that allocate, hash and check what they allocated, with the main thread as one of them, or
waiting for them. Every cycle places code that starts a thread of its own and walks the heap three times, as the
agent does. Prints one row per target; exits 1 when a cycle failed or the target did not end well.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import ladder, preflight
from leakaudit.runtime.attach.injector import Injection

STATES = ("computing", "join", "sleep")
BEGIN, END = "<!-- torture: begin -->", "<!-- torture: end -->"
TARGET = """
import sys, threading, time, zlib, os
state = sys.argv[1]
done = threading.Event()
rounds = [0] * 5
def churn(number):
    keep = []
    while not done.is_set():
        block = os.urandom(200)
        keep.append((zlib.crc32(block), block, {str(i): [i, (i, i)] for i in range(30)}))
        if len(keep) > 300:
            assert all(zlib.crc32(data) == check for check, data, _ in keep)
            keep.clear()
        rounds[number] += 1
def control():
    sys.stdin.readline()
    before = list(rounds)
    time.sleep(1)
    threads = threading.active_count()
    moved = all(now > then for now, then in zip(rounds[first:], before[first:]))
    done.set()
    print('moved' if moved else 'stuck', threads, flush=True)
first = 0 if state == 'computing' else 1
workers = [threading.Thread(target=churn, args=(number,)) for number in range(1, 5)]
controller = threading.Thread(target=control)
for thread in (*workers, controller):
    thread.start()
print('READY', threading.active_count(), flush=True)
if state == 'computing':
    churn(0)
elif state == 'sleep':
    while not done.is_set():
        time.sleep(0.5)
for thread in (*workers, controller):
    thread.join()
"""

AGENT = """
import _thread, gc, os
def work():
    for _ in range(3):
        counts = {}
        for thing in gc.get_objects():
            counts[type(thing).__name__] = counts.get(type(thing).__name__, 0) + 1
    with open(MARK, 'a') as mark:
        mark.write('x')
_thread.start_new_thread(work, ())
"""


class Target:
    """One busy interpreter."""

    def __init__(self, python: str, state: str) -> None:
        self._process = subprocess.Popen(
            (python, "-c", TARGET, state),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        self._process.stdout.readline()

    @property
    def alive(self) -> bool:
        """Tell whether it has not ended."""
        return self._process.poll() is None

    def end(self) -> str:
        """Let it check itself and end; returns what was wrong, or an empty string."""
        try:
            output, complaint = self._process.communicate("\n", timeout=60)
        except subprocess.TimeoutExpired:
            return "target: hung"
        if (self._process.returncode, output.split(), complaint) == (0, ["moved", "6"], ""):
            return ""
        return f"target: exit {self._process.returncode}, {output!r}, {complaint[-300:]!r}"

    def close(self) -> None:
        """End it by force."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True, slots=True)
class Row:
    """What the cycles on one target came to."""

    python: str
    state: str
    cycles: int
    errors: tuple[str, ...]
    modes: dict[str, int]
    latencies_ms: tuple[float, ...]
    stops_ms: tuple[float, ...]
    rss_grown_kib: int

    @property
    def ok(self) -> bool:
        """Tell whether nothing at all went wrong."""
        return len(self.latencies_ms) == self.cycles and not self.errors

    def __str__(self) -> str:
        modes = ", ".join(f"{mode} {count}" for mode, count in sorted(self.modes.items()))
        return (
            f"| {self.python} | {self.state} | {len(self.latencies_ms)}/{self.cycles} | {modes} "
            f"| {quantiles(self.latencies_ms)} | {quantiles(self.stops_ms)} | {self.rss_grown_kib:+} KiB |"
        )


HEADER = (
    "| target | main | cycles ok | modes | latency p50/p95/max ms | stop p50/p95/max ms | RSS after cycle 10 |\n"
    "|---|---|---|---|---|---|---|"
)


def torture(python: str, state: str, method: str, cycles: int, limit_s: float) -> Row:
    """Run the cycles on one fresh target; stops early after `limit_s` or three errors."""
    target = Target(python, state)
    errors: list[str] = []
    injections: list[Injection] = []
    rss = grown = 0
    try:
        ends = time.monotonic() + limit_s
        with tempfile.TemporaryDirectory() as folder:
            mark = Path(folder) / "mark"
            source = AGENT.replace("MARK", repr(str(mark))).encode()
            for cycle in range(1, cycles + 1):
                if time.monotonic() > ends or len(errors) >= 3 or not target.alive:
                    break
                try:
                    injections.append(attach(target.pid, method, source, mark))
                except AttachError as error:
                    errors.append(str(error))
                if cycle == 10:
                    rss = rss_kib(target.pid)
            if target.alive:
                grown = rss_kib(target.pid) - rss if rss else 0
            # A second run of the same code would show here.
            if size(mark) != len(injections):
                errors.append(f"{size(mark)} runs of {len(injections)} injections")
        errors += filter(None, [target.end()])
    finally:
        target.close()
    return Row(
        name_of(python),
        state,
        cycles,
        tuple(errors),
        dict(Counter(injection.mode for injection in injections)),
        tuple(injection.latency_ms for injection in injections),
        tuple(stop for injection in injections for stop in injection.stops_ms),
        grown,
    )


def attach(pid: int, method: str, source: bytes, mark: Path) -> Injection:
    """Place the code once and wait until it has run."""
    target = preflight.inspect(pid)
    before = size(mark)
    return ladder.choose(target, method).inject(target, source, lambda: size(mark) > before, 30)


def name_of(python: str) -> str:
    """Return an interpreter's version."""
    done = subprocess.run((python, "-V"), capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def size(mark: Path) -> int:
    """Return the size of a file, 0 when there is none."""
    return mark.stat().st_size if mark.exists() else 0


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def quantiles(values: tuple[float, ...]) -> str:
    """Return median, 95th percentile and maximum as text."""
    if len(values) < 2:
        return "-"
    return f"{statistics.median(values):.1f}/{statistics.quantiles(values, n=20)[-1]:.1f}/{max(values):.1f}"


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--python", action="append", help="interpreter of the target; may be repeated")
    parser.add_argument("--main-state", action="append", choices=STATES)
    parser.add_argument(
        "--kills", type=int, default=0, help="controllers to kill afterwards, for each target"
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into a page")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--limit", type=float, default=300, help="seconds per target")
    options = parser.parse_args()
    lines = [HEADER]
    print(HEADER)
    ok = True
    for python in options.python or [sys.executable]:
        for state in options.main_state or ["computing", "join"]:
            row = torture(python, state, options.method, options.cycles, options.limit)
            ok &= row.ok
            lines += [str(row), *row.errors]
            print(row, *row.errors, sep="\n", flush=True)
    if options.kills:
        import attach_kills

        lines += ["", attach_kills.HEADER]
        print(attach_kills.HEADER)
        for python in options.python or [sys.executable]:
            for state in options.main_state or ["computing", "join"]:
                killed = attach_kills.kill_controllers(python, state, options.method, options.kills)
                ok &= killed.ok
                lines += [str(killed), *killed.complaints]
                print(killed, *killed.complaints, sep="\n", flush=True)
    if options.write:
        put(
            options.write,
            "\n".join([f"{date.today()}, {platform.machine()}, {os.cpu_count()} processors.", "", *lines]),
        )
    return 0 if ok else 1


def put(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
