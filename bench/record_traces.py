"""Record the RSS, threads and descriptors of small real programs into tests/data/traces.

    python bench/record_traces.py --python PATH [--python PATH ...] [--samples 300] [--interval 0.1] [NAME ...]
    python bench/record_traces.py --python PATH --more        those of trace_more.py, into one file of JSON Lines

Each trace is one JSON object: the deltas of RSS in KiB, of threads and of descriptors (only where they move).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import trace_more
import trace_programs

HERE = Path(__file__).resolve().parent
TRACES = HERE.parent / "tests" / "data" / "traces"
PAGE_KIB = 4
FILES = {name: module.__file__ for module in (trace_programs, trace_more) for name in module.PROGRAMS}
PROGRAMS = {**trace_programs.PROGRAMS, **trace_more.PROGRAMS}


def deltas(values: list[int]) -> list[int]:
    """The first value, then each value's difference from the one before."""
    return [b - a for a, b in zip([0, *values], values, strict=False)]


def look(pid: int) -> tuple[int, int, int]:
    """RSS in KiB, threads and descriptors of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[21]) * PAGE_KIB, int(fields[17]), sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def record(python: str, name: str, samples: int, interval: float, seed: int) -> dict[str, object]:
    """Run one program and sample it from outside until it ends."""
    seconds = samples * interval + 1.0
    command = [python, FILES[name], name, str(seconds), str(seed)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert child.stdout is not None
        child.stdout.readline()  # the interpreter's own start is not part of the trace
        due, rows = time.monotonic(), []
        while len(rows) < samples and child.poll() is None:
            rows.append(look(child.pid))
            due += interval
            time.sleep(max(0.0, due - time.monotonic()))
        out, _ = child.communicate(timeout=seconds + 30)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    end = json.loads(out)
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    rss, threads, fds = (list(column) for column in zip(*rows, strict=True))
    leaks = PROGRAMS[name][1]
    trace: dict[str, object] = {
        "program": name,
        "leaks": leaks,
        "python": version,
        "seed": seed,
        "interval_s": interval,
        "leaked_bytes_per_s": round(end["leaked"] / end["seconds"]) if leaks else 0,
        "rss_kib": deltas(rss),
    }
    for key, column in (("threads", threads), ("fds", fds)):
        if max(column) - min(column) > 4:
            trace[key] = deltas(column)
    return trace


def write(traces: list[dict[str, object]], suffix: str, together: bool) -> None:
    """Put traces of one interpreter into files of their own, or together into one."""
    minor = "".join(str(traces[0]["python"]).split(".")[:2])
    lines = {str(trace["program"]): json.dumps(trace, separators=(",", ":")) for trace in traces}
    if together:
        (TRACES / f"more-py{minor}{suffix}.jsonl").write_text("\n".join(lines.values()) + "\n")
    else:
        for name, line in lines.items():
            (TRACES / f"{name}-py{minor}{suffix}.json").write_text(line + "\n")
    print(f"{len(lines)} programs under {minor}", flush=True)


def main() -> None:
    """Record every named program (default all) under every given interpreter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--python", action="append", required=True)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--interval", type=float, default=0.1)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--suffix", default="", help="after the file's name, such as -long")
    parser.add_argument("--more", action="store_true")
    options = parser.parse_args()
    TRACES.mkdir(parents=True, exist_ok=True)

    def one(job: tuple[str, str]) -> dict[str, object]:
        python, name = job
        seed = zlib.crc32(f"{python[-12:]}{name}{options.suffix}".encode()) % 10**6
        return record(python, name, options.samples, options.interval, seed)

    module = trace_more if options.more else trace_programs
    for python in options.python:
        with ThreadPoolExecutor(options.jobs) as pool:
            jobs = [(python, name) for name in options.names or module.PROGRAMS]
            write(list(pool.map(one, jobs)), options.suffix, options.more)


if __name__ == "__main__":
    main()
