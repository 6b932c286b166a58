"""Targets in another root and pid namespace, of another user, and where ptrace is not allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from attach_targets import ROOTS
from runtime_target import finding, judged

from leakaudit import agent
from leakaudit.findings import Status
from leakaudit.findings.report import Report
from leakaudit.runtime.attach.ladder import reach
from leakaudit.runtime.audit import Options, audit

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="attaching is for Linux"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces, other users and less power"),
]

ROOT = Path(__file__).parent.parent
SYSTEM_PYTHON = Path("/usr/bin/python3")
NOBODY = 65534
QUICK = Options(duration_s=4.0, interval_s=0.25, pause_budget_ms=200.0)
PROGRAM = """
import time
CACHE = {}
def handle(request):
    CACHE[request] = "value %d" % request * 10
def main():
    number = 0
    while True:
        number += 1
        handle(number)
        time.sleep(0.005)
if __name__ == "__main__":
    print("READY", flush=True)
    main()
"""
#: Runs a command with no capabilities at all, whoever it belongs to.
POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
#: A root and a pid namespace of its own: the folders of a system seen below another path.
CONTAINED = """
set -e
mount -t tmpfs none "$1"
for name in usr lib lib64 bin etc; do
    [ -e "$3/$name" ] || continue
    mkdir "$1/$name"; mount --rbind "$3/$name" "$1/$name"
done
mkdir "$1/tmp" "$1/proc" "$1/app"
chmod 1777 "$1/tmp"
cp "$2" "$1/app/target.py"
mount -t proc proc "$1/proc"
exec chroot "$1" "$4" -I /app/target.py
"""


@pytest.fixture(scope="module")
def tool(missing: Callable[[str], NoReturn]) -> Callable[[str], None]:
    """Tell of a program that the test needs and the machine lacks."""

    def need(name: str) -> None:
        if shutil.which(name) is None and not Path(name).exists():
            missing(f"the program {name}")

    return need


@contextmanager
def running(command: list[str], **more: object) -> Iterator[subprocess.Popen[str]]:
    process: subprocess.Popen[str] = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,  # type: ignore[call-overload]
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "READY\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


def written(folder: Path) -> Path:
    path = folder / "target.py"
    path.write_text(PROGRAM)
    return path


def assert_cache_is_confirmed(pid: int, path: str, method: str) -> None:
    def scan(_: object) -> Report:
        return Report("scan", (finding("module-attribute", "CACHE", "", path),))

    report = judged(lambda how: audit(pid, scan, how), QUICK)
    assert report.runtime is not None
    assert report.runtime.method == method
    assert [item.verdict and item.verdict.status for item in report.findings] == [Status.CONFIRMED]


def deepest(pid: int) -> int:
    """Return the last of the only children, which is the program behind its launchers."""
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[0])
    return pid


def in_another_root(folder: Path, system: Path, python: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run the program where the folders of a system are its root."""
    root = folder / "root"
    root.mkdir()
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", CONTAINED, "sh"]
    return running([*command, str(root), str(written(folder)), str(system), python])


def assert_all_works_there(process: subprocess.Popen[str]) -> None:
    pid = deepest(process.pid)
    target, _ = reach(pid)
    assert target.namespace_pid == 1
    assert_cache_is_confirmed(pid, "/app/target.py", target_method(pid))
    assert process.poll() is None
    assert not list(Path(f"/proc/{pid}/root/tmp").iterdir())


def test_another_root_and_pid_namespace(tmp_path: Path, tool: Callable[[str], None]) -> None:
    for name in ("unshare", "chroot", str(SYSTEM_PYTHON)):
        tool(name)
    with in_another_root(tmp_path, Path("/"), str(SYSTEM_PYTHON)) as process:
        assert_all_works_there(process)


@pytest.mark.parametrize("python", ["python3.13", "python3.14", "python3.15"])
def test_the_root_of_another_system(tmp_path: Path, python: str, missing: Callable[[str], NoReturn]) -> None:
    root = next((path for path in ROOTS.glob("*") if (path / "usr/bin" / python).exists()), None)
    if root is None:
        missing(f"a root with {python} in it; tools/interpreters makes one")
    with in_another_root(tmp_path, root, f"/usr/bin/{python}") as process:
        assert_all_works_there(process)


def target_method(pid: int) -> str:
    return reach(pid)[1].name


def without_ptrace(*arguments: str) -> tuple[int, str, str]:
    """Run leakaudit as root that lacks every capability, as in a container without SYS_PTRACE."""
    done = subprocess.run(
        [*POWERLESS, sys.executable, "-m", "leakaudit", *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_no_capability_is_refused_with_both_remedies(tmp_path: Path, tool: Callable[[str], None]) -> None:
    tool("setpriv")
    with running([sys.executable, str(written(tmp_path))]) as process:
        for command in ("doctor", "runtime"):
            code, _, err = without_ptrace(command, str(process.pid))
            assert code == 2
            assert "root lacks CAP_SYS_PTRACE" in err
            assert "--cap-add=SYS_PTRACE" in err
            assert "leakaudit.agent.start()" in err


def test_no_capability_and_a_door(tmp_path: Path, tool: Callable[[str], None]) -> None:
    tool("setpriv")
    path = written(tmp_path)
    # The target has powers that its auditor lacks, so the kernel keeps the auditor out of all but the door.
    with running([sys.executable, str(path)], env=agent.environment(os.environ)) as process:
        code, out, _ = without_ptrace("doctor", str(process.pid))
        assert code == 0
        assert "root lacks CAP_SYS_PTRACE" in out
        assert "would use cooperative" in out
        code, out, err = without_ptrace(
            "runtime",
            str(process.pid),
            "--duration",
            "5s",
            "--interval",
            "250ms",
            "--source",
            str(path),
            "--no-config",
        )
        assert "cooperative" in out, err
        assert "LA101 target.CACHE" in out
        assert code == 1
        assert process.poll() is None


def test_target_that_may_not_be_dumped(tmp_path: Path, tool: Callable[[str], None]) -> None:
    tool("setpriv")
    path = tmp_path / "target.py"
    path.write_text("import ctypes; ctypes.CDLL(None).prctl(4, 0)\n" + PROGRAM)  # PR_SET_DUMPABLE
    with running([sys.executable, str(path)], env=agent.environment(os.environ)) as process:
        code, out, err = without_ptrace(
            "runtime", str(process.pid), "--duration", "3s", "--source", str(path)
        )
        assert "cooperative" in out, err
        assert code in (0, 1)


def test_another_user(tool: Callable[[str], None], open_folder: Path) -> None:
    tool(str(SYSTEM_PYTHON))
    path = written(open_folder)
    with running([str(SYSTEM_PYTHON), "-I", str(path)], user=NOBODY, cwd=open_folder) as process:
        assert_cache_is_confirmed(process.pid, str(path), target_method(process.pid))
