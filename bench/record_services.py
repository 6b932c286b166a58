"""Record the RSS of the services in tests/fixtures/targets, and measure what they really leak.

    python bench/record_services.py --python PATH [--python PATH ...] [--samples 300] [--interval 0.4] [--jobs 24]
    python bench/record_services.py --truth PATH [--seconds 120]

The first writes a line for each service into tests/data/traces/services-py*.jsonl. The second runs them once more, with
every allocation in malloc (PYTHONMALLOC) and a look at what is live after a full collection, four times, and writes
bytes per second into tests/data/traces/services-truth.json. What a service leaks is told by that, not by its RSS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from record_traces import deltas, look

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ROOT / "tests" / "fixtures" / "targets"
TRACES = ROOT / "tests" / "data" / "traces"
SETTLE_S = 4.0  # imports, and a port that listens
QUIET = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
# Runs a service and looks at the heap from a thread of it; the looks are as far apart as the quarters of a trace.
WITHIN = """
import ctypes, gc, json, os, runpy, sys, threading, time
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Info
path, seconds, pipe = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
def watch():
    rows = []
    for _ in range(4):
        time.sleep(seconds / 4)
        gc.collect()
        info = mallinfo2()
        rows.append((time.monotonic(), info.uordblks + info.hblkhd))
    os.write(pipe, json.dumps(rows).encode())
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
sys.argv = [path, str(seconds * 4 + 60)]
sys.path[0] = path if os.path.isdir(path) else os.path.dirname(path)
runpy.run_path(path, run_name="__main__")
"""


def services() -> list[tuple[Path, bool]]:
    """Every service, and whether it leaks."""
    found = []
    for folder, leaks in (("leaking", True), ("steady", False)):
        for path in sorted((TARGETS / folder).iterdir()):
            if path.suffix == ".py" or (path / "__main__.py").is_file():
                found.append((path, leaks))  # noqa: PERF401
    return found


def record(python: str, path: Path, leaks: bool, samples: int, interval: float) -> dict[str, object] | None:
    """Run one service and sample it from outside; None if it ended by itself (a framework that is not there)."""
    command = [python, str(path), str(samples * interval * 2 + 60)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=QUIET)
    try:
        time.sleep(SETTLE_S)
        due, rss = time.monotonic(), []
        while len(rss) < samples and child.poll() is None:
            rss.append(look(child.pid)[0])
            due += interval
            time.sleep(max(0.0, due - time.monotonic()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    finally:
        child.kill()
        child.wait()
    if len(rss) < samples:
        return None
    return {"program": path.stem, "leaks": leaks, "interval_s": interval, "rss_kib": deltas(rss)}


def leaked(python: str, path: Path, seconds: float) -> int | None:
    """Return the live bytes that a service gains in a second between the first and the last quarter."""
    reader, writer = os.pipe()
    command = [python, "-c", WITHIN, str(path), str(seconds), str(writer)]
    child = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**QUIET, "PYTHONMALLOC": "malloc"},
        pass_fds=(writer,),
    )
    os.close(writer)
    try:
        child.wait(seconds * 3 + 60)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    if not said:
        return None
    rows = json.loads(said)
    return round((rows[-1][1] - rows[0][1]) / (rows[-1][0] - rows[0][0]))


def recorded(options: argparse.Namespace) -> None:
    """Write one file for each interpreter."""
    for python in options.python:
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
        minor = "".join(version.split(".")[:2])
        with ThreadPoolExecutor(options.jobs) as pool:
            jobs = [
                pool.submit(record, python, path, leaks, options.samples, options.interval)
                for path, leaks in services()
            ]
            traces = [trace for job in jobs if (trace := job.result())]
        lines = [json.dumps({**trace, "python": version}, separators=(",", ":")) for trace in traces]
        (TRACES / f"services-py{minor}.jsonl").write_text("\n".join(lines) + "\n")
        print(f"{len(lines)} services under {version}", flush=True)


def true_rates(options: argparse.Namespace) -> None:
    """Write what each service leaks."""
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = {
            path.stem: pool.submit(leaked, options.truth, path, options.seconds) for path, _ in services()
        }
        rates = {name: job.result() for name, job in jobs.items()}
    (TRACES / "services-truth.json").write_text(json.dumps(rates, indent=0) + "\n")
    print(f"{len(rates)} services measured")


def main() -> None:
    """Record, or measure the truth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--truth", metavar="PYTHON")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--interval", type=float, default=0.4)
    parser.add_argument("--jobs", type=int, default=24)
    options = parser.parse_args()
    TRACES.mkdir(parents=True, exist_ok=True)
    recorded(options)
    if options.truth:
        true_rates(options)


if __name__ == "__main__":
    main()
