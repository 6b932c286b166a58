"""Audit web servers under load: what their clients notice.

python bench/web_workers.py                                 30 s alone, 30 s audited, for each server
python bench/web_workers.py --servers uvicorn --rate 100 --duration 10
python bench/web_workers.py --write docs/runtime-cost.md    put the table into the page

Each server runs a small program that leaks an entry per request; a client in a process of its own asks at a fixed rate
over eight connections, kept alive where the server allows it. Servers, client and audit run at a high priority where
that is allowed: else it is other programs that are measured. The servers come from PyPI into a virtual environment
(`--venv` keeps it). Exits 1 when a request failed or the leak was not confirmed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pauses import prefer, put

ROOT = Path(__file__).resolve().parent.parent
CLIENT = Path(__file__).with_name("web_client.py")
BEGIN, END = "<!-- web: begin -->", "<!-- web: end -->"
PACKAGES = ("gunicorn", "uvicorn", "httptools", "websockets")
PATIENCE_S = 20.0
SETTLE_S = 2.0
APP = """
import hashlib, itertools, uuid
SESSIONS = {}
HEAP = [{"number": i, "text": str(i)} for i in range(100_000)]
def work():
    SESSIONS[uuid.uuid4().hex] = [hashlib.sha256(b"x" * 2000).hexdigest()]
def wsgi(environ, start_response):
    work()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    work()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
async def echo(connection):
    async for _ in connection:
        work()
        await connection.send("ok")
async def serve(port):
    from websockets.asyncio.server import serve
    async with serve(echo, "127.0.0.1", port) as server:
        await server.serve_forever()
if __name__ == "__main__":
    import asyncio, sys
    asyncio.run(serve(int(sys.argv[1])))
"""
GUNICORN = ("-m", "gunicorn", "--log-level", "warning", "--bind", "127.0.0.1:{port}")
SERVERS = {
    "gunicorn sync, 2 workers": (*GUNICORN, "--workers", "2", "app:wsgi"),
    "gunicorn gthread, 8 threads": (*GUNICORN, "--threads", "8", "app:wsgi"),
    "uvicorn": ("-m", "uvicorn", "--log-level", "warning", "--port", "{port}", "app:asgi"),
    "websockets": ("app.py", "{port}"),
}


@dataclass(frozen=True, slots=True)
class Phase:
    """What the client saw: requests, failures, latencies in ms."""

    requests: int
    failed: tuple[str, ...]
    p50: float
    p99: float
    largest: float


@dataclass(frozen=True, slots=True)
class Row:
    """One server. `stops` are the longest stops that the report tells of, in ms: attach, all."""

    server: str
    before: Phase
    during: Phase
    processes: int
    stops: tuple[float, float]
    verdict: str
    load: float


def environment(folder: Path, python: str) -> str:
    """Return the Python of a virtual environment with the servers."""
    found = folder / "bin" / "python"
    if not found.exists():
        subprocess.run((python, "-m", "venv", folder), check=True)
        subprocess.run((found, "-m", "pip", "install", "--quiet", *PACKAGES), check=True)
    return str(found)


@contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program for the length of the block; it is asked to end, and then made to."""
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def await_server(port: int) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nobody listens at port {port}")


def measure(name: str, python: str, folder: Path, rate: float, duration_s: float) -> Row:
    """Load one server, audit it in the second half of the time, and return what the client saw."""
    port = free_port()
    command = [python, *(part.format(port=port) for part in SERVERS[name])]
    kind = "websockets" if name == "websockets" else "http"
    asked = folder / f"{kind}-{port}.jsonl"
    with running(command, folder) as server:
        await_server(port)
        with asked.open("w") as output:
            client = subprocess.Popen(
                (python, str(CLIENT), kind, str(port), str(rate)), stdin=subprocess.PIPE, stdout=output
            )
            try:
                time.sleep(SETTLE_S)
                began = time.monotonic()
                time.sleep(duration_s)
                audited = time.monotonic()
                report = audit(server.pid, folder / f"{port}.json", duration_s)
                ended, load = time.monotonic(), os.getloadavg()[0]
                client.communicate(timeout=PATIENCE_S)
            finally:
                client.kill()
                client.wait()
    seen = [json.loads(line) for line in asked.read_text().splitlines()]
    sessions = [item["verdict"] for item in report["findings"] if item["symbol"].endswith("SESSIONS")]
    pauses = report["runtime"]["pause_ms"]
    return Row(
        server=name,
        before=phase([item for item in seen if began <= item[0] < audited]),
        during=phase([item for item in seen if audited <= item[0] < ended]),
        processes=max(1, len(report.get("processes", ()))),
        stops=(pauses["attach"], pauses["largest"]),
        verdict=sessions[0]["status"] if sessions else "not found",
        load=load,
    )


def audit(pid: int, output: Path, duration_s: float) -> dict[str, object]:
    """Audit a server with all its workers; return the report."""
    command = (
        *(sys.executable, "-m", "leakaudit", "runtime", str(pid), "--children", "--no-config"),
        *("--duration", f"{duration_s:g}s", "--format", "json", "-o", str(output)),
    )
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return dict(json.loads(output.read_text()))


def phase(asked: Sequence[tuple[float, float, str]]) -> Phase:
    """Sum up what the client saw."""
    latencies = sorted(ms for _, ms, _ in asked)
    failed = tuple(wrong for _, _, wrong in asked if wrong)
    last = len(latencies) - 1
    return Phase(
        len(asked), failed, latencies[last // 2], latencies[min(last, round(last * 0.99))], latencies[-1]
    )


def table(rows: Sequence[Row]) -> str:
    """Return the figures as a Markdown table."""
    head = (
        "| server | processes | requests alone / audited | failed | p50 | p99 | longest | stops told: attach, all "
        "| the leak | load |"
    )
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|---:|---|---:|"]
    for row in rows:
        before, during = row.before, row.during
        lines.append(
            f"| {row.server} | {row.processes} | {before.requests:,} / {during.requests:,} "
            f"| {len(before.failed)} / {len(during.failed)} | {before.p50:.1f} / {during.p50:.1f} ms "
            f"| {before.p99:.1f} / {during.p99:.1f} ms | {before.largest:.1f} / {during.largest:.1f} ms "
            f"| {row.stops[0]:.1f}, {row.stops[1]:.1f} ms | {row.verdict} | {row.load:.1f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, print the table, and put it into a page if one is named."""
    parser = argparse.ArgumentParser(description="Audit web servers under load.")
    parser.add_argument("--servers", nargs="+", default=list(SERVERS), choices=list(SERVERS), metavar="NAME")
    parser.add_argument("--rate", type=float, default=200.0, metavar="N", help="requests per second")
    parser.add_argument("--duration", type=float, default=30.0, metavar="S", help="seconds of each phase")
    parser.add_argument("--python", default=sys.executable, help="what the servers run on")
    parser.add_argument("--venv", type=Path, help="keep the servers' environment here")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args()
    prefer()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(APP)
        python = environment((options.venv or folder / "venv").absolute(), options.python)
        version = subprocess.run((python, "-V"), capture_output=True, text=True, check=True).stdout.split()[1]
        for server in options.servers:
            rows.append(measure(server, python, folder, options.rate, options.duration))
            print(rows[-1], file=sys.stderr)
    text = (
        f"Python {version}, {os.cpu_count()} shared cores, {platform.machine()}, {options.rate:g} requests per second, "
        f"{options.duration:g} s each; a / b is alone / audited.\n\n{table(rows)}"
    )
    print(text)
    if options.write:
        put(options.write, text, (BEGIN, END))
    wrong = [row for row in rows if row.before.failed or row.during.failed or row.verdict != "confirmed"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
