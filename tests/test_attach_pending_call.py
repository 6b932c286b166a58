"""The pending-call injector gives up cleanly, withdraws its code, and survives what happens around it."""

from __future__ import annotations

import builtins
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attach_targets import Interpreter, interpreters, running, started

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import buffer, guardian, main_thread, preflight, procfs
from leakaudit.runtime.attach.pending_call import PendingCall, one_line
from leakaudit.runtime.attach.ptrace import NotNowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakaudit.runtime.attach.injector import Injection
    from leakaudit.runtime.attach.target import Target

ROOT = Path(__file__).parent.parent
#: The last that is reached this way first: later ones take code by themselves.
NEWEST = [found for found in interpreters() if found.version < (3, 14)][-1]
EXTREMES = tuple(dict.fromkeys((interpreters()[0], NEWEST, interpreters()[-1])))
OURS = next(found for found in interpreters() if found.version == sys.version_info[:2])


def inject(process: subprocess.Popen[str], mark: Path, deadline_s: float = 20) -> Injection:
    before = size(mark)
    source = f"with open({str(mark)!r}, 'a') as mark: mark.write('run\\n')\n".encode()
    target = preflight.inspect(process.pid)
    return PendingCall().inject(target, source, lambda: size(mark) > before, deadline_s)


def size(mark: Path) -> int:
    return mark.stat().st_size if mark.exists() else 0


def reaches(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def cpu_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def is_blocked(pid: int, number: int) -> bool:
    return bool(int(procfs.read_status(pid)["SigBlk"], 16) >> (number - 1) & 1)


def buffer_states(pid: int) -> list[int]:
    """Return the states (0 free, 1 busy) of the buffers that leakaudit left in a process."""
    states = []
    with procfs.Memory(pid) as memory:
        for mapping in procfs.read_maps(pid):
            if mapping.path or mapping.permissions != "rw-p":
                continue
            for page in range(mapping.start, mapping.end, 16 * 4096):
                magic, _size, state = struct.unpack("<16sQQ", memory.read(page, 32))
                if magic == b"leakaudit buffer":
                    states.append(state)
    return states


class TestOneLine:
    def test_is_one_line_that_a_hash_turns_off(self) -> None:
        line = one_line(b"raise SystemExit(\n'\\n'\n)\n")
        assert b"\n" not in line
        assert b"\0" not in line
        compile(b"#" + line[1:], "", "exec")

    def test_source_sees_a_namespace_of_its_own(self) -> None:
        seen: dict[str, object] = {"print": None}
        exec(one_line(b"import builtins; builtins._seen = sorted(globals())"), seen)
        assert builtins._seen == ["__builtins__", "__name__", "builtins"]  # type: ignore[attr-defined]
        assert seen.keys() == {"print", "__builtins__"}

    def test_functions_of_the_source_see_its_names(self) -> None:
        seen: dict[str, object] = {}
        exec(one_line(b"here = 5\ndef f(): return here\nimport builtins; builtins._seen = f()"), seen)
        assert builtins._seen == 5  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        "source", [b"raise SystemExit", b"1/0", b"syntax error", b"\xff", b"raise GeneratorExit"]
    )
    def test_nothing_escapes(self, source: bytes) -> None:
        exec(one_line(source), {})

    def test_ctrl_c_that_hit_our_code_is_given_back(self) -> None:
        with pytest.raises(KeyboardInterrupt):
            exec(one_line(b"raise KeyboardInterrupt") + b"\nfor _ in range(10**6): pass", {})

    def test_names_that_the_program_shadows_do_not_matter(self) -> None:
        shadowed = dict.fromkeys(("exec", "globals", "compile", "BaseException", "source"))
        exec(one_line(b"import builtins; builtins._seen = 'ran'"), shadowed)
        assert builtins._seen == "ran"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("state", "begun", "reason"),
    [
        ("syscall_with_interpreter_lock_until", "poll", "waits in C code, in the system call poll"),
        ("c_code_with_interpreter_lock", "", "in a long call of C code"),
        ("foreign_lock_until", "futex", "waits in C code, in the system call futex"),
    ],
)
def test_main_thread_that_may_not_be_helped(state: str, begun: str, reason: str, tmp_path: Path) -> None:
    with running(OURS, state) as process:
        ticks = cpu_ticks(process.pid)
        if begun:
            assert reaches(lambda: begun in procfs.wait_channel(process.pid))
        else:
            assert reaches(lambda: cpu_ticks(process.pid) > ticks + 3)
        with pytest.raises(AttachError, match=reason):
            inject(process, tmp_path / "mark", deadline_s=0.4)
        _output, errors = process.communicate("\n", timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert size(tmp_path / "mark") == 0


@pytest.mark.parametrize("interpreter", EXTREMES, ids=str)
def test_exception_of_a_due_signal_handler_reaches_the_program(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    with running(interpreter, "handler_raises", 3) as process:
        assert reaches(lambda: is_blocked(process.pid, signal.SIGUSR1) and procfs.state(process.pid) == "S")
        process.send_signal(signal.SIGUSR1)
        assert reaches(lambda: not int(procfs.read_status(process.pid)["ShdPnd"], 16))
        injection = inject(process, tmp_path / "mark")
        _output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors, injection.mode) == (0, "", "served")


def test_buffer_is_used_again(tmp_path: Path) -> None:
    with running(OURS, "busy_until") as process:
        for _ in range(5):
            inject(process, tmp_path / "mark")
        assert buffer_states(process.pid) == [0]
        process.communicate("\n", timeout=30)


def test_withdrawn_source_keeps_its_buffer(tmp_path: Path) -> None:
    with running(OURS, "syscall_with_interpreter_lock_until") as process:
        assert reaches(lambda: "poll" in procfs.wait_channel(process.pid))
        for _ in range(2):
            with pytest.raises(AttachError):
                inject(process, tmp_path / "mark", deadline_s=0.2)
        assert buffer_states(process.pid) == [1, 1]
        process.communicate("\n", timeout=30)
    assert process.returncode == 0
    assert size(tmp_path / "mark") == 0


def test_large_source_fits(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = b"filler = '%s'\n" % (b"x" * 300_000) + f"open({str(mark)!r}, 'w').write(filler[:3])\n".encode()
    with running(OURS, "busy_until") as process:
        inject(process, tmp_path / "first")
        PendingCall().inject(preflight.inspect(process.pid), source, lambda: size(mark) == 3, 20)
        process.communicate("\n", timeout=30)
    assert process.returncode == 0


def test_target_that_ends_while_we_wait() -> None:
    with running(OURS, "c_code_with_interpreter_lock") as process:
        ticks = cpu_ticks(process.pid)
        assert reaches(lambda: cpu_ticks(process.pid) > ticks + 3)
        target = preflight.inspect(process.pid)
        threading.Timer(0.2, process.kill).start()
        began = time.monotonic()
        with pytest.raises(AttachError, match="ended before the agent answered"):
            PendingCall().inject(target, b"pass", lambda: False, 20)
        assert time.monotonic() - began < 5


def test_pid_that_another_program_took(tmp_path: Path) -> None:
    script = "import os, sys; print('READY', flush=True); sys.stdin.readline(); os.execv('/bin/cat', ['cat'])"
    with started((OURS.path, "-c", script)) as process:
        target = preflight.inspect(process.pid)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert reaches(lambda: procfs.read_status(process.pid)["Name"] == "cat")
        with pytest.raises(AttachError, match="replaced itself"):
            PendingCall().inject(target, b"pass", lambda: False, 5)
        process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGTRAP"])
def test_target_that_ignores_the_return_signal_is_left_alone(name: str) -> None:
    script = f"import signal, sys; signal.signal(signal.{name}, signal.SIG_IGN); print('', flush=True); sys.stdin.read()"
    with started((OURS.path, "-c", script)) as process:
        assert name in str(PendingCall().available(preflight.inspect(process.pid)))


def test_interrupt_of_the_controller_withdraws_the_source(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    calls = 0

    def hello() -> bool:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return False

    source = f"open({str(mark)!r}, 'w').close()".encode()
    with running(OURS, "syscall_with_interpreter_lock_until") as process:
        assert reaches(lambda: "poll" in procfs.wait_channel(process.pid))
        with pytest.raises(KeyboardInterrupt):
            PendingCall().inject(preflight.inspect(process.pid), source, hello, 20)
        process.communicate("\n", timeout=30)
    assert process.returncode == 0
    assert not mark.exists()


@pytest.mark.parametrize("state", ["allocating_until", "allocating_join_until", "sleep"])
def test_target_survives_the_sudden_death_of_controllers(state: str, tmp_path: Path) -> None:
    controller = (
        "import os, sys\n"
        "from leakaudit.runtime.attach import preflight\n"
        "from leakaudit.runtime.attach.pending_call import PendingCall\n"
        "target, mark = preflight.inspect(int(sys.argv[1])), sys.argv[2]\n"
        "source = f\"open({mark!r}, 'a').write('x')\".encode()\n"
        "print('READY', flush=True)\n"
        "for size in range(1, 1000):\n"
        "    PendingCall().inject(target, source, lambda: os.path.getsize(mark) >= size, 10)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with running(NEWEST, state) as process:
        for round_ in range(4):
            mark = tmp_path / str(round_)
            mark.touch()
            killed = subprocess.Popen(
                (sys.executable, "-c", controller, str(process.pid), mark),
                stdout=subprocess.PIPE,
                env=environment,
            )
            assert killed.stdout is not None
            killed.stdout.readline()
            time.sleep(0.02 + 0.0137 * round_)
            killed.send_signal(signal.SIGKILL)
            killed.communicate(timeout=10)
        inject(process, tmp_path / "mark")
        output, errors = process.communicate("\n", timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert json.loads(output)["new_names"] == []


def test_withdrawing_from_a_process_that_is_gone_is_an_os_error() -> None:
    with started(("true",)) as process:
        process.wait()
        with pytest.raises(OSError, match=str(process.pid)):
            buffer.withdraw(process.pid, 4096)


def fill_queue(target: Target) -> int:
    task = partial(main_thread.queue, target, one_line(b"pass"))
    queued = 0
    with suppress(NotNowError):
        while queued < 400:
            guardian.run(task, 10)
            queued += 1
    return queued


def test_full_queue_is_reported_and_keeps_no_buffer(tmp_path: Path) -> None:
    with running(OURS, "syscall_with_interpreter_lock_until") as process:
        assert reaches(lambda: "poll" in procfs.wait_channel(process.pid))
        target = preflight.inspect(process.pid)
        assert 16 < fill_queue(target) < 400
        with pytest.raises(AttachError, match="queue of pending calls is full"):
            inject(process, tmp_path / "mark")
        free = sum(state == 0 for state in buffer_states(process.pid))
        assert free > 0
        process.communicate("\n", timeout=30)
    assert process.returncode == 0
    assert size(tmp_path / "mark") == 0
