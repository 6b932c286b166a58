"""A stopped thread can be used, and is as it was afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from attach_targets import interpreters, running, started

from leakaudit.runtime.attach import guardian, preflight, procfs
from leakaudit.runtime.attach.guardian import Outcome
from leakaudit.runtime.attach.ptrace import NotNowError, TargetGoneError, TraceError
from leakaudit.runtime.attach.registers import MACHINES
from leakaudit.runtime.attach.stopped import StoppedThread, stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakaudit.runtime.attach.target import Target

PYTHON = interpreters()[0]


def in_stop(target: Target, act: Callable[[StoppedThread], object]) -> str:
    """Stop the target, act, and return what `act` returned, as text."""

    def task() -> Outcome:
        with stopped(target.pid, MACHINES[target.runtime.elf_machine]) as thread:
            step = str(act(thread))
        return Outcome(step, 0)

    return guardian.run(task, 10).step


def test_functions_and_system_calls_return_their_result() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)
        initialized = target.runtime.symbols["Py_IsInitialized"].address
        assert in_stop(target, lambda thread: thread.call(initialized) & 0xFFFFFFFF) == "1"
        assert (
            in_stop(target, lambda thread: thread.call(initialized, never=frozenset({1})) & 0xFFFFFFFF) == "1"
        )
        page = int(in_stop(target, lambda thread: thread.syscall("mmap", 0, 4096, 3, 0x22, -1, 0)))
        assert any(mapping.start <= page < mapping.end for mapping in procfs.read_maps(target.pid))
        assert process.communicate(timeout=30)[1] == ""
        assert process.returncode == 0


def test_failing_system_call_raises() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)
        with pytest.raises(TraceError, match="Invalid argument"):
            in_stop(target, lambda thread: thread.syscall("munmap", 1, 1))
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_faulting_call_harms_nobody() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)
        with pytest.raises(TraceError, match="signal 11"):
            in_stop(target, lambda thread: thread.call(0x1000))
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_forbidden_address_is_not_entered() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)
        # Whatever Py_MakePendingCalls does, it ends with an instruction that lies in itself.
        body = target.runtime.symbols["Py_MakePendingCalls"]
        inside = frozenset(range(body.address + 1, body.address + body.size))
        with pytest.raises(NotNowError):
            in_stop(target, lambda thread: thread.call(body.address, never=inside))
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_signals_that_come_meanwhile_arrive_afterwards() -> None:
    with running(PYTHON, "timer_storm_until") as process:
        target = preflight.inspect(process.pid)
        initialized = target.runtime.symbols["Py_IsInitialized"].address

        def act(thread: StoppedThread) -> int:
            os.kill(target.pid, signal.SIGALRM)
            time.sleep(0.05)
            return sum(thread.call(initialized) & 1 for _ in range(50))

        assert in_stop(target, act) == "50"
        assert process.communicate("\n", timeout=30)[1] == ""
        assert process.returncode == 0


def test_stop_signal_that_comes_meanwhile_stops_it_afterwards() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)
        initialized = target.runtime.symbols["Py_IsInitialized"].address

        def act(thread: StoppedThread) -> int:
            os.kill(target.pid, signal.SIGSTOP)
            return thread.call(initialized) & 1

        assert in_stop(target, act) == "1"
        assert reaches(target.pid, "T")
        os.kill(target.pid, signal.SIGCONT)
        process.communicate(timeout=30)
        assert process.returncode == 0


def reaches(pid: int, state: str) -> bool:
    deadline = time.monotonic() + 10
    while procfs.state(pid) != state and time.monotonic() < deadline:
        time.sleep(0.01)
    return procfs.state(pid) == state


def test_suspended_process_stays_suspended() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)
        os.kill(target.pid, signal.SIGSTOP)
        assert reaches(target.pid, "T")
        with pytest.raises(TraceError, match="suspended"):
            in_stop(target, lambda _: "reached")
        assert procfs.state(target.pid) == "T"
        os.kill(target.pid, signal.SIGCONT)
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_target_killed_in_the_stop() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)
        initialized = target.runtime.symbols["Py_IsInitialized"].address

        def act(thread: StoppedThread) -> int:
            os.kill(target.pid, signal.SIGKILL)
            return thread.call(initialized)

        began = time.monotonic()
        with pytest.raises(TargetGoneError):
            in_stop(target, act)
        assert time.monotonic() - began < 5
        assert process.wait(timeout=10) == -signal.SIGKILL


def test_exception_in_the_stop_lets_the_target_go() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)

        def act(thread: StoppedThread) -> None:
            thread.syscall("mmap", 0, 4096, 3, 0x22, -1, 0)
            raise TraceError("on purpose")

        with pytest.raises(TraceError, match="on purpose"):
            in_stop(target, act)
        assert procfs.read_status(target.pid)["TracerPid"] == "0"
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_second_tracer_is_refused() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)

        def act(_: StoppedThread) -> str:
            with pytest.raises(TraceError, match="another tracer"):
                in_stop(target, lambda _: "reached")
            return "refused"

        assert in_stop(target, act) == "refused"


def test_process_that_ended_is_gone() -> None:
    with started(("true",)) as process:
        process.wait()
        with pytest.raises(TargetGoneError), stopped(process.pid, MACHINES[62]):
            pass


def test_only_the_stopping_thread_may_use_it() -> None:
    with running(PYTHON, "sleep", 0.8) as process:
        target = preflight.inspect(process.pid)
        initialized = target.runtime.symbols["Py_IsInitialized"].address

        def act(thread: StoppedThread) -> str:
            errors: list[str] = []

            def other() -> None:
                try:
                    thread.call(initialized)
                except RuntimeError as error:
                    errors.append(str(error))

            worker = threading.Thread(target=other)
            worker.start()
            worker.join()
            return errors[0]

        assert in_stop(target, act) == "only the thread that stopped the target may use it"


def test_thread_that_cannot_be_interrupted_is_let_go(
    tmp_path: Path, missing: Callable[[str], NoReturn]
) -> None:
    if shutil.which("gcc") is None:
        missing("no C compiler")
    # Between vfork and the end of its child, a parent waits where only SIGKILL reaches it.
    source, program = tmp_path / "vfork.c", tmp_path / "vfork"
    source.write_text(
        "#include <unistd.h>\n"
        'int main(void) { if (vfork() == 0) { write(1, "\\n", 1); sleep(2); _exit(0); } return 7; }\n'
    )
    subprocess.run(("gcc", "-o", program, source), check=True)
    with started((str(program),)) as process:

        def task() -> Outcome:
            with stopped(process.pid, MACHINES[62], limit_s=0.2):
                return Outcome("reached", 0)

        with pytest.raises(TraceError, match="cannot be interrupted"):
            guardian.run(task, 10)
        assert process.wait(timeout=10) == 7
