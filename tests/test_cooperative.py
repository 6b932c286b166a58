"""Programs with a door of their own: `leakaudit.agent`, the boot of child interpreters, and the way in."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from runtime_target import finding, interpreters, judged

import leakaudit
from leakaudit import agent
from leakaudit.errors import AttachError
from leakaudit.findings import Status
from leakaudit.findings.report import Report
from leakaudit.runtime.attach import cooperative, ladder, preflight
from leakaudit.runtime.audit import Options, audit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="doors are for Linux")

ROOT = Path(__file__).parent.parent
QUICK = Options(duration_s=4.0, interval_s=0.25, method="cooperative", pause_budget_ms=200.0)
#: Prints what an expression is worth, for each line that it reads.
SERVE = """
import json, os, sys, time
CACHE = {}
def grow():
    for i in range(10): CACHE[len(CACHE)] = "value %d" % i * 100
print("READY", flush=True)
for line in iter(sys.stdin.readline, ""):
    print(json.dumps(eval(line)), flush=True)
"""
GROW = """
import threading, time
CACHE = {}
def work():
    while True:
        CACHE[len(CACHE)] = "value %d" % len(CACHE) * 10
        time.sleep(0.005)
print("READY", flush=True)
work()
"""
OTHERS = [v for v in interpreters() if v in ("3.8", "3.13", "3.14", "3.15")]


@contextmanager
def cooperating(source, folder, python=sys.executable, **environment):
    """Start a program that knows nothing of leakaudit, its door open."""
    path = Path(folder) / "target.py"
    path.write_text(source)
    process = subprocess.Popen(
        [python, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**agent.environment(os.environ), **environment},
    )
    try:
        line = process.stdout.readline()
        assert line == "READY\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process, expression):
    process.stdin.write(expression + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def cache_of(process):
    return lambda _: Report("scan", (finding("module-attribute", "CACHE", "", str(process.args[-1])),))


def threads(pid):
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def reaches(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("version", [str(sys.version_info[0]) + "." + str(sys.version_info[1]), *OTHERS])
def test_audit_through_the_door(version, tmp_path):
    with cooperating(GROW, tmp_path, interpreters()[version]) as process:
        before = threads(process.pid)
        report = judged(lambda how: audit(process.pid, cache_of(process), how), QUICK)
        (found,) = report.findings
        assert found.verdict.status is Status.CONFIRMED
        assert found.verdict.exact_bytes  # the census had its tools, though the target knows nothing of them
        assert (report.runtime.method, report.runtime.attach_pause_ms) == ("cooperative", 0.0)
        assert reaches(lambda: threads(process.pid) == before)
        assert process.poll() is None


def test_nothing_is_imported_before_somebody_comes(tmp_path):
    probe = "[m for m in ('json', 'socket', 're', 'threading', 'importlib.util', 'leakaudit') if m in sys.modules]"
    source = SERVE.replace("import json, os, sys, time", "import sys, os").replace("json.dumps", "repr")
    path = tmp_path / "target.py"
    path.write_text(source + f"print({probe})\n")
    done = subprocess.run(
        [sys.executable, str(path)],
        env=agent.environment(os.environ),
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "READY\n[]\n", done.stderr


def test_boot_leaves_the_import_path_as_it_was_and_runs_the_real_sitecustomize(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import os; os.environ['REAL'] = __name__")
    with cooperating(SERVE, tmp_path, PYTHONPATH=f"{agent.BOOT}{os.pathsep}{tmp_path}") as process:
        assert ask(process, "os.environ['REAL']") == "sitecustomize"
        assert not [path for path in ask(process, "sys.path") if "leakaudit/runtime" in path]
        assert ask(process, "sys.modules['sitecustomize'].__file__") == str(tmp_path / "sitecustomize.py")
        assert cooperative.describe(process.pid) is not None


def test_forked_and_executed_children_have_doors_of_their_own(tmp_path):
    fork = "(lambda pid: pid or (time.sleep(60), os._exit(0)))(os.fork())"
    spawn = "os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)'])"
    with cooperating(SERVE, tmp_path) as process:
        children = [ask(process, fork), ask(process, spawn)]
        try:
            for child in children:
                assert reaches(lambda child=child: cooperative.describe(child) is not None)
                assert cooperative.describe(child).pid == child
            assert cooperative.describe(process.pid).pid == process.pid
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)


def test_program_that_closes_all_its_files_keeps_what_it_opens_next(tmp_path):
    with cooperating(SERVE, tmp_path) as process:
        # Its own listener gets the number that the door had; a guest of the door must not be served from it.
        ask(process, "os.closerange(3, 64)")
        ask(
            process,
            "(globals().update(s=__import__('socket').create_server(('127.0.0.1', 0))), s.fileno())[1]",
        )
        port = ask(process, "s.getsockname()[1]")
        cooperative.describe(process.pid)  # the guest that wakes the old thread
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            assert ask(process, "s.settimeout(10) or s.accept()[0].fileno() > 0")


def visit(pid, request):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(10)
        door.connect(f"\0leakaudit-door-{pid}")
        door.sendall(request)
        return door.makefile().readline()


@pytest.mark.parametrize(
    "request_", [b"import os\n", b"[]\n", b"{}\n", b"\xff\n", b'{"do":"start"}\n', b"x" * 9000]
)
def test_nonsense_is_not_answered_and_the_door_stays_open(request_, tmp_path):
    with cooperating(SERVE, tmp_path) as process:
        with suppress(ConnectionError):
            assert visit(process.pid, request_) == ""
        assert cooperative.describe(process.pid) is not None


def test_folder_that_others_may_enter_is_refused(tmp_path):
    folder = tmp_path / "channel"
    folder.mkdir(mode=0o755)
    with cooperating(SERVE, tmp_path) as process:
        answer = visit(process.pid, json.dumps({"do": "start", "directory": str(folder)}).encode() + b"\n")
        assert "not a folder of this user's alone" in answer
        assert list(folder.iterdir()) == []


def test_agent_behind_a_door_evaluates_no_expressions(tmp_path):
    folder, mark = tmp_path / "channel", tmp_path / "mark"
    folder.mkdir(mode=0o700)
    (folder / "options.json").write_text('{"pause_budget_ms": 10, "deadline_s": 60, "lease_s": 5}')
    (folder / "control.jsonl").write_text(f'{{"do": "x" if open({str(mark)!r}, "w") else 1}}\n')
    (folder / "out.jsonl").write_text("")
    with cooperating(SERVE, tmp_path) as process:
        answer = visit(process.pid, json.dumps({"do": "start", "directory": str(folder)}).encode() + b"\n")
        assert json.loads(answer)["version"] == leakaudit.__version__
        assert reaches(lambda: "JSONDecodeError" in (folder / "out.jsonl").read_text())
        assert not mark.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_turned_away(tmp_path):
    with cooperating(SERVE, tmp_path) as process:
        code = (
            f"import os, socket; os.setuid(65534); s = socket.socket(socket.AF_UNIX); "
            f"s.connect('\\0leakaudit-door-{process.pid}'); s.sendall(b'{{\"do\": \"describe\"}}\\n'); "
            f"print(s.makefile().readline())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
        )
        assert "only the same user and root" in done.stdout, done.stderr


def test_somebody_who_poses_as_the_target_is_not_believed():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as false:
        false.bind(f"\0leakaudit-door-{process.pid}")
        false.listen()
        assert cooperative.describe(process.pid) is None
    process.communicate(b"\n", timeout=10)


def test_another_version_is_refused(tmp_path, monkeypatch):
    with cooperating(SERVE, tmp_path) as process:
        monkeypatch.setattr(leakaudit, "__version__", "99.0")
        with pytest.raises(AttachError, match=r"runs leakaudit .*, and this is 99\.0"):
            cooperative.describe(process.pid)
        reports = {report.name: report for report in ladder.rungs(preflight.inspect(process.pid))}
        assert "this is 99.0" in reports["cooperative"].reason  # and another way is taken


def test_suspended_program_does_not_hold_us_up(tmp_path):
    with cooperating(SERVE, tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        assert reaches(
            lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        )
        with pytest.raises(AttachError, match="suspended"):
            ladder.reach(process.pid)


def test_program_without_a_door():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert cooperative.describe(process.pid) is None
    process.communicate(b"\n", timeout=10)


def test_start_and_stop_in_a_program():
    code = (
        "import leakaudit.agent as a, os, sys; print(a.start(), a.start(), len(os.listdir('/proc/self/task'))); "
        "sys.stdout.flush(); input(); a.stop(); print('stopped', flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout.readline() == "True True 2\n"
        assert cooperative.describe(process.pid).pid == process.pid
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "stopped\n"
        assert cooperative.describe(process.pid) is None
        assert reaches(lambda: threads(process.pid) == 1)
    finally:
        process.kill()
        process.communicate()


def test_module_becomes_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "leakaudit.agent", "--", sys.executable, "-c",
         "import sys, os; print('leakaudit_door' in sys.modules, sys.argv); sys.exit(7)", "x"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (7, "True ['-c', 'x']\n"), done.stderr
    for arguments, code in ((["--", str(tmp_path / "no")], 2), ([], 2), (["--help"], 0)):
        done = subprocess.run(
            [sys.executable, "-m", "leakaudit.agent", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr


def test_import_is_light():
    code = "import sys; a = set(sys.modules); import leakaudit.agent; print(sorted(set(sys.modules) - a))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert set(eval(done.stdout)) <= {
        "leakaudit",
        "leakaudit.agent",
        "leakaudit.marking",
        "_socket",
        "__future__",
    }
