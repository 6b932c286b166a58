"""What cannot be attached to is refused with its cause and a remedy."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attach_targets import Interpreter, interpreters, running, started

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import cpython, guardian, preflight, procfs
from leakaudit.runtime.attach.elf import Symbol
from leakaudit.runtime.attach.guardian import Outcome
from leakaudit.runtime.attach.pending_call import PendingCall
from leakaudit.runtime.attach.registers import MACHINES
from leakaudit.runtime.attach.stopped import stopped
from leakaudit.runtime.attach.target import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

OURS = next(found for found in interpreters() if found.version == sys.version_info[:2])
NOBODY = 65534


def refusal(pid: int) -> AttachError:
    with pytest.raises(AttachError) as raised:
        preflight.inspect(pid)
    error = raised.value
    assert error.cause
    assert error.remedy
    assert "\n" not in str(error)
    return error


@pytest.fixture
def sleeping() -> Iterator[subprocess.Popen[str]]:
    with running(OURS, "read_until") as process:
        yield process


@pytest.mark.parametrize("interpreter", interpreters(), ids=str)
def test_target_is_described(interpreter: Interpreter) -> None:
    with running(interpreter, "read_until") as process:
        target = preflight.inspect(process.pid)
        assert target.version is not None
        assert target.version[:2] == interpreter.version
        assert target.exe == os.path.realpath(interpreter.path)
        assert target.argv[-2:] == ("read_until", "2.5")
        assert target.cwd == os.getcwd()
        assert (target.pid, target.namespace_pid) == (process.pid, process.pid)
        assert (target.uid, target.gid, target.threads) == (os.getuid(), os.getgid(), 1)
        assert (target.root / "proc").is_dir()
        assert not target.free_threaded
        assert procfs.is_running(target.pid, target.start_time)


def test_program_whose_file_was_replaced(tmp_path: Path) -> None:
    # As after an upgrade: the interpreter's file is another one than the one that runs.
    exe = Path(os.path.realpath(OURS.path))
    copy = tmp_path / "python3-renamed"
    copy.write_bytes(exe.read_bytes())
    copy.chmod(0o755)
    environment = {
        **os.environ,
        "PYTHONHOME": str(exe.parent.parent),
        "LD_LIBRARY_PATH": str(exe.parent.parent / "lib"),
    }
    script = "print('', flush=True); input()"
    process = subprocess.Popen(
        (str(copy), "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        copy.unlink()
        target = preflight.inspect(process.pid)
        # Before 3.11 the last figure stands nowhere in the interpreter's memory.
        assert target.version == sys.version_info[: 3 if sys.version_info >= (3, 11) else 2]
        assert target.exe.endswith("(deleted)")
    finally:
        process.communicate("\n", timeout=10)


def test_no_such_process() -> None:
    with started(("true",)) as process:
        process.wait()
    assert refusal(process.pid).cause == f"there is no process {process.pid}"


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_number_that_no_process_has(pid: int) -> None:
    assert "there is no process" in refusal(pid).cause


def test_not_python() -> None:
    process = subprocess.Popen(("sleep", "30"))
    try:
        # Until it has replaced itself, the child is a copy of this Python.
        assert reaches(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
        assert f"process {process.pid} (" in refusal(process.pid).cause
        assert "is not a Python process" in refusal(process.pid).cause
    finally:
        process.kill()
        process.wait()


def test_zombie() -> None:
    process = subprocess.Popen(("true",))
    try:
        assert reaches(lambda: procfs.state(process.pid) == "Z")
        error = refusal(process.pid)
        assert error.cause == f"process {process.pid} has ended"
        assert f"its parent {os.getpid()}" in error.remedy
    finally:
        process.wait()


def test_main_thread_that_ended() -> None:
    script = (
        "import ctypes, threading, sys\n"
        "threading.Thread(target=lambda: (print('', flush=True), sys.stdin.read()), daemon=True).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    with started((OURS.path, "-c", script)) as process:
        assert reaches(lambda: procfs.state(process.pid) == "Z")
        assert refusal(process.pid).cause == f"the main thread of process {process.pid} has ended"


def reaches(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_suspended(sleeping: subprocess.Popen[str]) -> None:
    sleeping.send_signal(signal.SIGSTOP)
    assert reaches(lambda: procfs.state(sleeping.pid) == "T")
    error = refusal(sleeping.pid)
    assert (error.cause, error.remedy) == (
        f"process {sleeping.pid} is suspended",
        f"let it go on first: `kill -CONT {sleeping.pid}`",
    )


def test_traced_by_another(sleeping: subprocess.Popen[str], tmp_path: Path) -> None:
    target = preflight.inspect(sleeping.pid)
    seized, release = tmp_path / "seized", tmp_path / "release"

    def trace() -> Outcome:
        with stopped(target.pid, MACHINES[target.runtime.elf_machine]):
            seized.touch()
            while not release.exists():
                time.sleep(0.01)
        return Outcome("done", 0)

    tracing = threading.Thread(target=guardian.run, args=(trace, 20))
    tracing.start()
    try:
        assert reaches(seized.exists)
        error = refusal(sleeping.pid)
        comm = Path("/proc/self/comm").read_text().strip()
        assert f"process {sleeping.pid} is already traced by {comm} (pid " in error.cause
    finally:
        release.touch()
        tracing.join()


def test_kernel_thread() -> None:
    if not Path("/proc/2/comm").exists() or Path("/proc/2/comm").read_text() != "kthreadd\n":
        pytest.skip("this pid namespace shows no kernel threads")
    assert "is a kernel thread" in refusal(2).cause


def test_ourselves() -> None:
    error = refusal(os.getpid())
    assert "itself" in error.cause
    assert "leakaudit.agent.start()" in error.remedy


def test_thread_id(sleeping: subprocess.Popen[str]) -> None:
    with running(OURS, "join_until") as process:
        assert reaches(lambda: len(os.listdir(f"/proc/{process.pid}/task")) > 1)
        tid = max(map(int, os.listdir(f"/proc/{process.pid}/task")))
        error = refusal(tid)
    assert error.cause == f"{tid} is a thread, not a process"
    assert str(process.pid) in error.remedy


@pytest.mark.parametrize("interpreter", [interpreters()[0], interpreters()[-1]], ids=str)
def test_interpreter_that_shuts_down(interpreter: Interpreter) -> None:
    script = (
        "import time\n"
        "class Last:\n"
        "    def __del__(self, print=print, sleep=time.sleep): print('', flush=True); sleep(1)\n"
        "last = Last()\n"
    )
    with (
        started((interpreter.path, "-c", script)) as process,
        pytest.raises(AttachError, match="shutting down"),
    ):
        PendingCall().inject(preflight.inspect(process.pid), b"pass", lambda: False, 5)


def test_other_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "only on Linux" in refusal(os.getppid()).cause


def as_nobody(pid: int) -> str:
    """Return the refusal that the user nobody gets."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            preflight.inspect(pid)
        except AttachError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def test_process_of_another_user(sleeping: subprocess.Popen[str], missing: Callable[[str], NoReturn]) -> None:
    if os.geteuid() != 0:
        missing("only root can become another user")
    text = as_nobody(sleeping.pid)
    assert f"process {sleeping.pid} belongs to user root (uid 0)" in text
    assert all(remedy in text for remedy in ("sudo", "CAP_SYS_PTRACE", "leakaudit run"))


def status(uid: int) -> dict[str, str]:
    return {"Uid": f"{uid}\t{uid}\t{uid}\t{uid}"}


@pytest.mark.parametrize(
    ("euid", "owner", "capable", "scope", "expected"),
    [
        (0, 0, False, "0", "root lacks CAP_SYS_PTRACE"),
        (1000, 0, False, "0", "belongs to user root"),
        (1000, 999_999, False, "0", "belongs to uid 999999"),
        (1000, 1000, False, "1", "ptrace_scope is 1"),
        (0, 0, True, "3", "ptrace_scope is 3"),
        (1000, 1000, False, "0", "it or a security module forbids it"),
    ],
)
def test_why_it_is_not_permitted(
    euid: int,
    owner: int,
    capable: bool,
    scope: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yama = tmp_path / "ptrace_scope"
    yama.write_text(scope + "\n")
    monkeypatch.setattr(preflight, "_YAMA", yama)
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(procfs, "read_status", lambda _: {"CapEff": f"{(1 << 19) * capable:016x}"})
    error = preflight._not_permitted(17, status(owner))
    assert expected in error.cause
    assert error.remedy


def test_root_has_a_name() -> None:
    assert pwd.getpwuid(0).pw_name in preflight._user(0)


class Memory:
    """Bytes at addresses, zeros elsewhere."""

    def __init__(self, **words: int) -> None:
        self.words = {int(address.strip("a"), 16): word for address, word in words.items()}

    def read(self, address: int, size: int) -> bytes:
        return self.words.get(address, 0).to_bytes(size, "little")


def runtime(*names: str) -> Runtime:
    return Runtime(
        "libpython3.so", 62, {name: Symbol(4096 * index, 8) for index, name in enumerate(names, 1)}, b""
    )


@pytest.mark.parametrize(
    ("names", "version"),
    [
        ((), None),
        (("PyCode_NewWithPosOnlyArgs",), (3, 8)),
        (("PyCode_NewWithPosOnlyArgs", "PyModule_AddType"), (3, 9)),
        (("PyCode_NewWithPosOnlyArgs", "PyModule_AddType", "PyModule_AddObjectRef"), (3, 10)),
    ],
)
def test_version_before_the_interpreter_told(names: tuple[str, ...], version: tuple[int, ...] | None) -> None:
    assert cpython.version_of(Memory(), runtime(*names)) == version


def test_version_that_the_interpreter_tells() -> None:
    assert cpython.version_of(Memory(a1000=0x030E02F0), runtime("Py_Version")) == (3, 14, 2)


def test_interpreter_that_is_refused(sleeping: subprocess.Popen[str]) -> None:
    target = preflight.inspect(sleeping.pid)
    for changed, finalizing, opted_out, expected in (
        (replace(target, version=None), False, False, "older than 3.8"),
        (replace(target, free_threaded=True), False, False, "free-threaded"),
        (target, True, False, "shutting down"),
        (target, False, True, "opted out"),
    ):
        with pytest.raises(AttachError, match=expected):
            preflight._refuse_by_interpreter(changed, finalizing=finalizing, opted_out=opted_out)


def test_free_threaded_build_is_recognised() -> None:
    assert cpython.is_free_threaded(runtime("_Py_DecRefShared"))
    assert not cpython.is_free_threaded(runtime("Py_Version"))
