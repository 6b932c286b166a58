"""The PEP 768 protocol: against a made-up interpreter in this process, and against real ones where there are any."""

from __future__ import annotations

import ctypes
import json
import os
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attach_targets import Interpreter, interpreters, running, started

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import debug_offsets, preflight, procfs, remote_exec
from leakaudit.runtime.attach.elf import Symbol
from leakaudit.runtime.attach.injector import Injection
from leakaudit.runtime.attach.procfs import Memory
from leakaudit.runtime.attach.remote_exec import RemoteExec
from leakaudit.runtime.attach.target import Runtime, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REAL = [interpreter for interpreter in interpreters() if interpreter.version >= (3, 14)]
INTERPRETER, THREAD = 2048, 3072  # where the made-up structures lie in the buffer
ENABLED, BREAKER, SUPPORT, PENDING, PATH = 64, 24, 128, 0, 4


@dataclass
class MadeUp:
    """What a CPython 3.14 shows of itself, in a buffer of this process."""

    buffer: ctypes.Array[ctypes.c_char]

    @classmethod
    def create(cls, *, enabled: int = 1, path_size: int = 512) -> MadeUp:
        buffer = ctypes.create_string_buffer(4096)
        base = ctypes.addressof(buffer)
        words = [0] * 128
        words[0] = int.from_bytes(b"xdebugpy", "little")
        words[4], words[5], words[10] = 1100, 1108, 8
        words[89:95] = [BREAKER, SUPPORT, ENABLED, PENDING, PATH, path_size]
        struct.pack_into("<128Q", buffer, 0, *words)
        struct.pack_into("<Q", buffer, 1108, base + INTERPRETER)
        struct.pack_into("<Q", buffer, INTERPRETER + 8, base + THREAD)
        struct.pack_into("<i", buffer, INTERPRETER + ENABLED, enabled)
        struct.pack_into("<Q", buffer, THREAD + BREAKER, 0x1234567800 | 1)
        return cls(buffer)

    @property
    def target(self) -> Target:
        runtime = Runtime(
            "libpython3.14.so", 62, {"_PyRuntime": Symbol(ctypes.addressof(self.buffer), 4096)}, b""
        )
        pid = os.getpid()
        return Target(
            pid, procfs.start_time(pid), "python3.14", (), "/", (3, 14, 0), False, runtime, Path("/"),
            os.geteuid(), os.getegid(), pid, 1,
        )  # fmt: skip

    @property
    def breaker(self) -> int:
        return int(struct.unpack_from("<Q", self.buffer, THREAD + BREAKER)[0])

    @property
    def pending(self) -> int:
        return int(struct.unpack_from("<i", self.buffer, THREAD + SUPPORT + PENDING)[0])

    @property
    def path(self) -> str:
        return self.buffer[THREAD + SUPPORT + PATH :].split(b"\0")[0].decode()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run requested scripts, as the interpreter would at a safe point."""
        done = threading.Event()

        def serve() -> None:
            while not done.wait(0.002):
                if self.pending and self.breaker & 32:
                    struct.pack_into("<i", self.buffer, THREAD + SUPPORT, 0)
                    exec(Path(self.path).read_bytes(), {})

        server = threading.Thread(target=serve)
        server.start()
        try:
            yield
        finally:
            done.set()
            server.join()


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, this test's own: others attach at the same time."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    monkeypatch.setattr(remote_exec, "_FOLDERS", (str(folder).lstrip("/"),))
    return folder


def test_request_sets_path_flag_and_one_bit() -> None:
    made_up = MadeUp.create()
    remote_exec._ask(made_up.target, "/tmp/x/script.py")
    assert (made_up.path, made_up.pending, made_up.breaker) == ("/tmp/x/script.py", 1, 0x1234567800 | 33)


def test_script_runs_and_leaves_nothing(tmp_path: Path, scripts: Path) -> None:
    mark, made_up = tmp_path / "mark", MadeUp.create()
    source = f"open({str(mark)!r}, 'a').write('x')".encode()
    with made_up.serving():
        injection = RemoteExec().inject(made_up.target, source, mark.exists, 10)
        assert (injection.method, injection.stops_ms) == ("remote-exec", ())
        time.sleep(0.02)
    assert mark.read_text() == "x"
    assert list(scripts.iterdir()) == []


@pytest.fixture
def fallback(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Record what would go to the pending call, and let that succeed."""
    calls: list[bytes] = []

    class Recorder:
        def inject(
            self, target: Target, source: bytes, hello: Callable[[], bool], deadline_s: float
        ) -> Injection:
            calls.append(source)
            return Injection("pending-call", "served", (1.0,), 2.0)

    monkeypatch.setattr(remote_exec, "PendingCall", Recorder)
    monkeypatch.setattr(remote_exec, "sleeps", lambda _: True)
    return calls


def test_main_thread_that_waits_gets_a_pending_call(fallback: list[bytes], scripts: Path) -> None:
    made_up = MadeUp.create()
    injection = RemoteExec().inject(made_up.target, b"source", lambda: False, 10)
    assert (injection.method, injection.mode, fallback) == ("pending-call", "served", [b"source"])
    assert injection.latency_ms > 2
    assert made_up.pending == 0
    assert list(scripts.iterdir()) == []


def test_withdrawn_script_does_nothing(tmp_path: Path) -> None:
    mark, made_up = tmp_path / "mark", MadeUp.create()
    script = remote_exec._Script.place(made_up.target, f"open({str(mark)!r}, 'a').write('x')".encode())
    try:
        assert script.claim()
        exec(Path(script.inner_path).read_bytes(), {})
        assert not mark.exists()
    finally:
        script.remove()


def test_script_that_began_cannot_be_withdrawn(tmp_path: Path) -> None:
    mark, made_up = tmp_path / "mark", MadeUp.create()
    script = remote_exec._Script.place(made_up.target, f"open({str(mark)!r}, 'a').write('x')".encode())
    try:
        exec(Path(script.inner_path).read_bytes(), {})
        assert not script.claim()
        assert mark.read_text() == "x"
    finally:
        script.remove()


def test_script_is_private_to_the_target() -> None:
    script = remote_exec._Script.place(MadeUp.create().target, b"pass")
    try:
        assert script.folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_uid for path in (script.folder, *script.folder.iterdir())} == {os.geteuid()}
    finally:
        script.remove()


def test_agent_that_never_answers_is_an_error(fallback: list[bytes]) -> None:
    made_up = MadeUp.create()
    with made_up.serving(), pytest.raises(AttachError, match="did not start it"):
        RemoteExec().inject(made_up.target, b"import time; time.sleep(0.2)", lambda: False, 0.3)
    assert fallback == []


@pytest.mark.parametrize(
    ("version", "reason"),
    [(None, "no PEP 768"), ((3, 13, 9), "no PEP 768"), ((3, 99, 0), "newer than"), ((3, 14, 0), None)],
)
def test_which_versions_have_it(version: tuple[int, ...] | None, reason: str | None) -> None:
    made_up = MadeUp.create()
    found = RemoteExec().available(replace(made_up.target, version=version))
    assert (found is None) == (reason is None)
    assert reason is None or reason in str(found)


def test_fields_that_are_not_where_they_should_be() -> None:
    made_up = MadeUp.create(path_size=8)
    assert "does not say" in str(RemoteExec().available(made_up.target))


def test_interpreter_that_opted_out() -> None:
    made_up = MadeUp.create(enabled=0)
    with Memory(os.getpid()) as memory:
        support = debug_offsets.remote_support(memory, made_up.target.runtime, (3, 14, 0))
    assert support is not None
    assert not support.enabled


def test_interpreter_that_shuts_down() -> None:
    made_up = MadeUp.create()
    with Memory(os.getpid()) as memory:
        assert not debug_offsets.is_finalizing(memory, made_up.target.runtime)
        struct.pack_into("<Q", made_up.buffer, 1100, 5)
        assert debug_offsets.is_finalizing(memory, made_up.target.runtime)


@pytest.mark.parametrize("interpreter", REAL, ids=str)
def test_real_interpreter(interpreter: Interpreter, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"open({str(mark)!r}, 'a').write('x')".encode()
    with running(interpreter, "busy_until") as process:
        injection = RemoteExec().inject(preflight.inspect(process.pid), source, mark.exists, 10)
        output, errors = process.communicate("\n", timeout=30)
    assert (injection.method, process.returncode, errors, mark.read_text()) == ("remote-exec", 0, "", "x")
    assert json.loads(output)["new_names"] == []


@pytest.mark.parametrize("interpreter", REAL, ids=str)
def test_real_interpreter_that_opted_out(interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_DISABLE_REMOTE_DEBUG", "1")
    with (
        started((interpreter.path, "-c", "print('', flush=True); input()")) as process,
        pytest.raises(AttachError, match="opted out"),
    ):
        preflight.inspect(process.pid)
