"""Attach to a busy interpreter again and again, and count what breaks.

    python bench/attach_torture.py --cycles 200 --python /path/to/python3.9 --main-state join

The target: five threads that allocate, hash and check what they allocated, with the main thread as one of them, or
waiting for them. Every cycle places code that starts a thread of its own and walks the heap three times, as the
agent does. Prints one row per target; exits 1 when a cycle failed or the target did not end well.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import ladder, preflight

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


@dataclass(frozen=True, slots=True)
class Row:
    """What the cycles on one target came to."""

    python: str
    state: str
    method: str
    cycles: int
    done: int
    errors: tuple[str, ...]
    healthy: bool
    modes: dict[str, int]
    latencies_ms: tuple[float, ...]
    stops_ms: tuple[float, ...]
    rss_grown_kib: int

    @property
    def ok(self) -> bool:
        """Tell whether nothing at all went wrong."""
        return self.healthy and self.done == self.cycles and not self.errors


def torture(python: str, state: str, method: str, cycles: int, limit_s: float) -> Row:
    """Run the cycles on one fresh target; stops early after `limit_s` or three errors."""
    process = subprocess.Popen(
        (python, "-c", TARGET, state),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    latencies: list[float] = []
    stops: list[float] = []
    errors: list[str] = []
    modes: dict[str, int] = {}
    try:
        assert process.stdout is not None
        process.stdout.readline()
        ends = time.monotonic() + limit_s
        rss = 0
        with tempfile.TemporaryDirectory() as folder:
            mark = Path(folder) / "mark"
            source = AGENT.replace("MARK", repr(str(mark))).encode()
            for cycle in range(1, cycles + 1):
                if time.monotonic() > ends or len(errors) >= 3 or process.poll() is not None:
                    break
                try:
                    target = preflight.inspect(process.pid)
                    injector = ladder.choose(target, method)
                    injection = injector.inject(target, source, lambda: size(mark) >= len(latencies) + 1, 30)
                except AttachError as error:
                    errors.append(str(error))
                    continue
                latencies.append(injection.latency_ms)
                stops.extend(injection.stops_ms)
                modes[injection.mode] = modes.get(injection.mode, 0) + 1
                if cycle == 10:
                    rss = rss_kib(process.pid)
            # A second run of the same code would show here.
            grown = rss_kib(process.pid) - rss if process.poll() is None else 0
            runs = size(mark)
        output, complaint = process.communicate("\n", timeout=60)
    except subprocess.TimeoutExpired:
        output, complaint, runs, grown = "hung", "", -1, 0
    finally:
        process.kill()
        process.wait()
    healthy = (
        process.returncode == 0
        and output.split() == ["moved", "6"]
        and not complaint
        and runs == len(latencies)
    )
    if not healthy:
        errors.append(f"target: exit {process.returncode}, {output!r}, {complaint[-300:]!r}, {runs} runs")
    return Row(
        Path(python).parent.parent.name, state, method, cycles, len(latencies), tuple(errors), healthy, modes,
        tuple(latencies), tuple(stops), grown,
    )  # fmt: skip


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
    parser.add_argument("--main-state", action="append", choices=("computing", "join", "sleep"))
    parser.add_argument("--method", default="auto")
    parser.add_argument("--limit", type=float, default=300, help="seconds per target")
    options = parser.parse_args()
    print(
        "| target | main | cycles ok | modes | latency p50/p95/max ms | stop p50/p95/max ms | RSS after cycle 10 |"
    )
    print("|---|---|---|---|---|---|---|")
    ok = True
    for python in options.python or [sys.executable]:
        for state in options.main_state or ["computing", "join"]:
            row = torture(python, state, options.method, options.cycles, options.limit)
            modes = ", ".join(f"{mode} {count}" for mode, count in sorted(row.modes.items()))
            print(
                f"| {row.python} | {row.state} | {row.done}/{row.cycles} | {modes} | {quantiles(row.latencies_ms)} "
                f"| {quantiles(row.stops_ms)} | {row.rss_grown_kib:+} KiB |",
                *row.errors,
                sep="\n",
                flush=True,
            )
            ok &= row.ok
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
