"""`leakaudit run`: programs are recorded from start to end, and keep their output, signals, terminal and exit code."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from leakaudit.runtime.session import read_session

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="programs are recorded on Linux")

ROOT = Path(__file__).parent.parent
RUN = (sys.executable, "-m", "leakaudit", "run", "--no-config")
ROUNDS = """
import sys, time
from leakaudit import mark
keep = []
for i in range(40):
    mark(f"round {i}")
    keep.append(bytearray(1 << 20))
    time.sleep(0.05)
print("the program's own words")
sys.exit(3)
"""
LEAK = """
import os, sys, time
CACHE = {}
def handle(request):
    CACHE[request] = "value %d" % request * 10
def main():
    number = 0
    while not os.path.exists(sys.argv[1]):
        number += 1
        handle(number)
        time.sleep(0.005)
if __name__ == "__main__":
    main()
"""


def start(*arguments: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*RUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **more,
    )


def run(*arguments: str, **more: Any) -> tuple[int, str, str]:
    process = start(*arguments, **more)
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def test_growth_per_mark_and_the_programs_own_output_and_code(tmp_path: Path) -> None:
    session = tmp_path / "run.jsonl"
    code, out, err = run("-o", str(session), "--", sys.executable, "-c", ROUNDS)
    assert (code, out) == (3, "the program's own words\n")
    assert 'MiB per "round"' in err
    assert "40 marks" in err
    rate = float(err.partition("growth per mark: ")[2].split()[0])
    assert 0.9 < rate < 1.2
    records = read_session(session).records
    assert [record["text"] for record in records if record["record"] == "mark"] == [
        f"round {i}" for i in range(40)
    ]
    assert records[0]["record"] == "session"
    assert sum(record["record"] == "process" for record in records) >= 8
    assert records[-1] == {"record": "exit", "t": records[-1]["t"], "code": 3}


def test_session_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    session = tmp_path / "run.jsonl"
    session.write_text("precious")
    code, _, err = run("-o", str(session), "--", "true")
    assert (code, session.read_text()) == (2, "precious")
    assert "exists already" in err


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 42"), 42),
        (("sh", "-c", "kill -SEGV $$"), 128 + signal.SIGSEGV),
        (("no-such-program-here",), 2),
        (("/",), 2),
        ((), 2),
    ],
)
def test_exit_codes(command: tuple[str, ...], expected: int) -> None:
    code, _, err = run("--", *command)
    assert code == expected, err
    assert "Traceback" not in err


def test_what_is_for_an_audit_needs_one() -> None:
    code, _, err = run("--duration", "5s", "--", "true")
    assert code == 2
    assert "--duration is for an audit" in err


def test_options_of_the_program_are_its_own() -> None:
    code, out, _ = run("echo", "--audit", "-o", "x", "--", "y")
    assert (code, out) == (0, "--audit -o x -- y\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_program(number: int) -> None:
    code = (
        "import signal, sys, time\n"
        "for n in (1, 2, 10, 15): signal.signal(n, lambda n, _: (print('got', n, flush=True), sys.exit(5)))\n"
        "print('READY', flush=True)\n"
        "time.sleep(60)"
    )
    process = start("--", sys.executable, "-c", code)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "READY\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=90)
        assert (out, process.returncode) == (f"got {int(number)}\n", 5)
    finally:
        process.kill()
        process.communicate()


def on_a_terminal(command: list[str]) -> tuple[int, int]:
    """Return pid and terminal of a command that leads a session on a terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["PYTHONPATH"] = str(ROOT)
        os.execv(command[0], command)
    return pid, terminal


def read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    deadline = time.monotonic() + 60
    with suppress(OSError):  # its program has ended
        while text not in seen and select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
            seen += os.read(terminal, 4096)
    return seen


def test_program_has_the_terminal_and_ctrl_c_reaches_it() -> None:
    code = (
        "import time\n"
        "try: print('READY', input(), flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt: print('interrupted by the terminal', flush=True)"
    )
    pid, terminal = on_a_terminal([*RUN, "--", sys.executable, "-c", code])
    try:
        os.write(terminal, b"typed\n")
        assert b"READY typed" in read_until(terminal, b"READY typed")
        os.write(terminal, b"\x03")
        assert b"interrupted by the terminal" in read_until(terminal, b"exit code 0")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        pid = 0
    finally:
        os.close(terminal)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_suspended_program_gives_the_terminal_back_and_goes_on() -> None:
    code = "print('READY', flush=True); print('went on with', input(), flush=True)"
    pid, terminal = on_a_terminal([*RUN, "--", sys.executable, "-c", code])
    try:
        assert b"READY" in read_until(terminal, b"READY")
        os.write(terminal, b"\x1a")
        deadline = time.monotonic() + 60
        while state_of(pid) != "T" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert state_of(pid) == "T"
        assert os.tcgetpgrp(terminal) == pid
        os.kill(pid, signal.SIGCONT)
        os.write(terminal, b"this\n")
        assert b"went on with this" in read_until(terminal, b"exit code 0")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        pid = 0
    finally:
        os.close(terminal)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_audit_names_the_leak_below_a_shell_and_makes_1_of_exit_code_0(tmp_path: Path) -> None:
    target, session, report = tmp_path / "target.py", tmp_path / "run.jsonl", tmp_path / "report.json"
    target.write_text(LEAK)
    process = start(
        "--audit", "--after", "500ms", "--duration", "6s", "--interval", "250ms", "-o", str(session),
        "--format", "json", "--output", str(report), "--", "sh", "-c", f"{sys.executable} {target} {tmp_path}/end; true",
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not report.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        (tmp_path / "end").touch()
        _, err = process.communicate(timeout=90)
    found = json.loads(report.read_text())
    assert found["runtime"]["method"] == "cooperative"
    confirmed = [item["symbol"] for item in found["findings"] if item["verdict"]["status"] == "confirmed"]
    assert confirmed == ["target.CACHE"], (found["findings"], err)
    assert {"sample", "process", "scan"} <= {record["record"] for record in read_session(session).records}
    assert process.returncode == 1


def test_program_that_ends_before_its_audit() -> None:
    code, _, err = run("--audit", "--after", "60s", "--", "true")
    assert code == 0
    assert "the program ended before the audit began" in err


def test_program_without_python_is_not_audited() -> None:
    code, _, err = run("--audit", "--after", "100ms", "--", "sleep", "1")
    assert code == 0
    assert "no Python that could be audited" in err
