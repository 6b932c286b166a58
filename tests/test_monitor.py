"""`leakaudit monitor` from its command line, on processes that the test starts."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from leakaudit.cli.params import DURATION
from leakaudit.errors import UsageError
from leakaudit.process.exporter import parse_address

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 60

IDLE = "import sys; print('READY', flush=True); sys.stdin.read()"
LEAK = textwrap.dedent("""
    import select, sys
    kept = []
    print("READY", flush=True)
    while not select.select([sys.stdin], [], [], 0.005)[0]:
        kept.append(b"x" * 20_000)
""")


@contextmanager
def program(tmp_path: Path, name: str, code: str, *arguments: str):
    """A running Python program of that name; ended on leaving."""
    path = tmp_path / f"{name}.py"
    path.write_text(code)
    command = [sys.executable, str(path), *arguments]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "READY\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "leakaudit", "monitor", *map(str, arguments)]


def monitor(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command(*arguments), cwd=cwd, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_and_records_of_a_process(tmp_path):
    out = tmp_path / "out.jsonl"
    with program(tmp_path, "node", IDLE, "--name", "agg_3") as child:
        done = monitor(child.pid, "--every", "400ms", "--for", "1600ms", "-o", out, "--no-config")
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert f"agg_3 {child.pid}: rss " in first
    assert "threads 1, descriptors 3 (" in first
    found = records(out)
    assert found[0]["kind"] == "start"
    assert found[0]["schema"] == "leakaudit/monitor/v1"
    samples = [r for r in found if r["kind"] == "sample"]
    assert 2 <= len(samples) <= 5  # a busy machine leaves moments out
    assert {s["pid"] for s in samples} == {child.pid}
    assert {s["group"] for s in samples} == {"agg_"}
    assert all(s["rss"] > 2**20 for s in samples)
    rss = next(r for r in found if r["kind"] == "trend" and r["what"] == "RSS")
    assert rss["trend"] == "inconclusive"
    assert rss["needs_s"] > 1


def test_a_leak_is_named_with_its_rate_and_what_to_do_next(tmp_path):
    out = tmp_path / "out.jsonl"
    with program(tmp_path, "leaky", LEAK) as child:
        done = monitor(
            "--match", str(tmp_path / "leaky.py"), "--every", "50ms", "--for", "4s", "-o", out, "--no-config"
        )
    assert done.returncode == 0, done.stderr
    assert "steady growth" in done.stdout
    assert f"next: `leakaudit runtime {child.pid}`" in done.stdout
    assert "reaches the machine's free memory" in " ".join(done.stdout.split())  # lines are wrapped
    rss = next(
        r for r in records(out) if r["kind"] == "trend" and r["pid"] == child.pid and r["what"] == "RSS"
    )
    low, high = rss["per_s_interval"]
    assert low <= rss["per_s"] <= high  # an even leak leaves no room between them
    assert 0.3e6 < rss["per_s"] < 5e6  # 20 kB per 5 ms and what the loop costs


def test_budgets_decide_the_exit_code(tmp_path):
    with program(tmp_path, "server", IDLE) as child:
        short = ("--every", "50ms", "--for", "100ms", "--no-config")
        kept = monitor(child.pid, *short, "--budget", "server=1GB", "--budget", "total=2GB")
        broken = monitor(child.pid, *short, "--budget", "server=1MB")
        nobody = monitor(child.pid, *short, "--budget", "servant=1GB")
    assert kept.returncode == 0
    assert broken.returncode == 1
    assert "over budget server: server held " in broken.stdout
    assert nobody.returncode == 2
    assert "no process of that name was seen" in nobody.stderr
    assert "Traceback" not in kept.stderr + broken.stderr + nobody.stderr


def test_budgets_of_the_project(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.leakaudit.budgets]\nserver = "1MB"\nunused = "1GB"\n')
    short = ("--every", "50ms", "--for", "100ms")
    with program(tmp_path, "server", IDLE) as child:
        assert monitor(child.pid, *short, cwd=tmp_path).returncode == 1
        assert monitor(child.pid, *short, "--no-config", cwd=tmp_path).returncode == 0
        assert monitor(child.pid, *short, "--budget", "server=1GB", cwd=tmp_path).returncode == 0
        (tmp_path / "pyproject.toml").write_text("[tool.leakaudit.budgets]\nserver = []\n")
        wrong = monitor(child.pid, *short, cwd=tmp_path)
    assert wrong.returncode == 2
    assert "the budget `server` has to be a size" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "cause", "remedy"),
    [
        ((), "there is nothing to monitor", "name a PID"),
        (("--match", "no such process here"), "no command line of a running process matches", "ps -ef"),
        (("--match", "("), "is not a regular expression", "quote"),
        (("1", "--budget", "x"), "is not a budget", "NAME=SIZE"),
        (("1", "--every", "0"), "'0' is not a time", ""),
        (("1", "--prometheus", "metrics"), "is not a port", "HOST:PORT"),
        (("1", "-o", "/no/such/folder/file"), "cannot write", ""),
    ],
)
def test_mistakes_are_told_with_a_remedy(arguments, cause, remedy):
    done = monitor(*arguments, "--no-config")
    assert done.returncode == 2
    assert cause in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recording_is_not_overwritten_and_a_full_disk_ends_it_alone(tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text("precious")
    with program(tmp_path, "idle", IDLE) as child:
        done = monitor(child.pid, "--for", "200ms", "-o", out, "--no-config")
        assert (done.returncode, out.read_text()) == (2, "precious")
        assert "exists already" in done.stderr
        done = monitor(child.pid, "--for", "200ms", "-o", "/dev/full", "--no-config")
    assert done.returncode == 0
    assert "RSS" in done.stdout
    assert "/dev/full could not be written to its end: No space left on device" in done.stderr


def test_a_process_that_is_gone_is_said_to_be(tmp_path):
    with program(tmp_path, "gone", IDLE) as child:
        pass
    done = monitor(child.pid, "--no-config")
    assert done.returncode == 2
    assert f"there is no process {child.pid}" in done.stderr


def test_the_end_of_the_only_process_ends_the_run(tmp_path):
    out = tmp_path / "out.jsonl"
    with program(tmp_path, "brief", IDLE) as child:
        watching = subprocess.Popen(
            command(child.pid, "--every", "50ms", "-o", out, "--no-config"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            wait_for_samples(out, watching)
            child.kill()
            child.wait()
            said, _ = watching.communicate(timeout=TIMEOUT_S)
        finally:
            watching.kill()
            watching.wait()
    assert watching.returncode == 0
    assert f"brief {child.pid} has gone" in said
    assert [r["kind"] for r in records(out)].count("gone") == 1


def wait_for_samples(out: Path, watching: subprocess.Popen, least: int = 3) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not out.exists() or out.read_text().count('"kind":"sample"') < least:
        assert watching.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_ends_with_the_summary(tmp_path):
    out = tmp_path / "out.jsonl"
    with program(tmp_path, "steady", IDLE) as child:
        watching = subprocess.Popen(
            command(child.pid, "--every", "50ms", "-o", out, "--no-config"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            wait_for_samples(out, watching)
            watching.send_signal(signal.SIGINT)
            said, _ = watching.communicate(timeout=TIMEOUT_S)
        finally:
            watching.kill()
            watching.wait()
    assert watching.returncode == 0
    assert f"steady {child.pid}: RSS" in said.splitlines()[-2] + said.splitlines()[-1]
    assert records(out)[-1]["kind"] == "trend"


def test_a_terminal_gets_a_table(tmp_path):
    if not hasattr(pty, "openpty"):
        pytest.skip("no terminals here")
    with program(tmp_path, "node", IDLE, "agg_0") as one, program(tmp_path, "node2", IDLE, "agg_1") as two:
        ours, theirs = pty.openpty()
        env = {**os.environ, "COLUMNS": "150", "LINES": "40", "TERM": "xterm-256color"}
        arguments = (one.pid, two.pid, "--every", "50ms", "--for", "300ms", "--no-config")
        watching = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=theirs, env=env)
        os.close(theirs)
        drawn: list[bytes] = []
        reader = threading.Thread(target=read_all, args=(ours, drawn))
        reader.start()
        assert watching.wait(TIMEOUT_S) == 0
        reader.join(TIMEOUT_S)
        os.close(ours)
    text = b"".join(drawn).decode()
    for part in ("descriptors", "agg_0", "agg_1", "agg_ (2)", "2 processes", "inconclusive"):
        assert part in text, text


def read_all(fd: int, into: list[bytes]) -> None:
    try:
        while part := os.read(fd, 65536):
            into.append(part)
    except OSError:  # what Linux says instead of an end
        return


def test_prometheus(tmp_path, missing):
    try:
        import prometheus_client
    except ImportError:
        missing("prometheus_client")
    assert prometheus_client
    with program(tmp_path, "served", IDLE) as child:
        watching = subprocess.Popen(
            command(child.pid, "--every", "50ms", "--prometheus", "0", "--no-config"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert watching.stderr is not None
            port = int(watching.stderr.readline().split()[-1])
            body = scrape(port, "leakaudit_process_resident_bytes{")
        finally:
            watching.kill()
            watching.communicate()
    assert f'pid="{child.pid}"' in body
    assert 'name="served"' in body
    assert 'kind="pipe"' in body


def scrape(port: int, wanted: str) -> str:
    deadline = time.monotonic() + TIMEOUT_S
    body = ""
    while wanted not in body and time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            body = answer.read().decode()
    return body


def test_prometheus_missing_is_told(tmp_path):
    (tmp_path / "prometheus_client.py").write_text("raise ImportError\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        command(os.getpid(), "--prometheus", "0", "--no-config"),
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    assert "needs the package prometheus_client" in done.stderr
    assert "pip install" in done.stderr


def test_addresses():
    assert parse_address("9100") == ("127.0.0.1", 9100)
    assert parse_address("0.0.0.0:9100") == ("0.0.0.0", 9100)
    assert parse_address("[::1]:9100") == ("::1", 9100)
    for wrong in ("", "host", "host:", "1:99999"):
        with pytest.raises(UsageError):
            parse_address(wrong)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("5min", 300), ("1.5h", 5400), ("7", 7), (7, 7)],
)
def test_times(text, seconds):
    assert DURATION.convert(text, None, None) == pytest.approx(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [False, True])
def test_the_federated_server(fixed, tmp_path):
    from leakaudit.demo.federation import running_federation

    out, name = tmp_path / "out.jsonl", "fixed" if fixed else "server"  # by the folder of main.py
    with running_federation(30, fixed) as federation:
        done = monitor(
            *(federation.server, *federation.nodes),
            *("--every", "200ms", "--for", "12s", "-o", out, "--no-config"),
            *("--budget", "node=800MB", "--budget", f"{name}=1.5GB", "--budget", "total=6GB"),
        )
    assert done.returncode == 0, done.stdout + done.stderr
    rss = {r["name"]: r for r in records(out) if r["kind"] == "trend" and r["what"] == "RSS"}
    assert {"agg_0", "agg_1", "pos_0", "tac_2", "agg_", "pos_", "tac_", "total"} <= set(rss)
    grows = {
        name for name, r in rss.items() if r["trend"] in ("steady growth", "accelerating", "growing sawtooth")
    }
    # The nodes still warm up in these seconds, so the total may not be called growth yet.
    assert grows - {"total"} == (set() if fixed else {name}), done.stdout
