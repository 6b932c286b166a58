"""Rung 1: the PEP 768 protocol of CPython 3.14 and later, spoken by any controller.

Nothing is stopped: the path of a script is written into the main thread's state, and the interpreter runs it at its
next safe point. It has none while it waits in a system call, and there is no notice of completion. So the script must
claim a file before it does anything; when the controller claims that file first, the script does nothing, and the
pending call takes over.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import debug_offsets, procfs
from leakaudit.runtime.attach.injector import Injection
from leakaudit.runtime.attach.pending_call import PendingCall, answers, one_line, sleeps
from leakaudit.runtime.attach.procfs import Memory
from leakaudit.runtime.channel import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakaudit.runtime.attach.debug_offsets import RemoteSupport
    from leakaudit.runtime.attach.target import Target

#: Folders of the target's root in which most systems let a process write.
_FOLDERS = ("tmp", "dev/shm", "var/tmp")
_PLEASE_STOP = 1 << 5
_GRACE_S = 0.1
_LEAST_LIMIT_S = 0.3


class RemoteExec:
    """The injector that needs no ptrace stop."""

    name = "remote-exec"

    def available(self, target: Target) -> str | None:
        """Return why this way is closed for the target, or None when it is open."""
        if target.version is None or target.version < (3, 14):
            return "CPython before 3.14 has no PEP 768"
        if not debug_offsets.has_remote_support(target.version):
            return "this CPython is newer than leakaudit knows"
        if _support(target) is None:
            return "the interpreter does not say where its threads are"
        return None

    def inject(
        self, target: Target, source: bytes, hello: Callable[[], bool], deadline_s: float
    ) -> Injection:
        """Run `source` once in the target's main thread and wait until `hello` is true; raises AttachError."""
        began = time.monotonic()
        end = began + deadline_s
        script = _Script.place(target, source)
        try:
            _ask(target, script.inner_path)
            if _runs_soon(target, hello, end) or not _withdraw(target, script):
                if not answers(hello, target, end):
                    raise AttachError(
                        f"process {target.pid} took the agent and did not start it", "try again"
                    )
                return Injection(self.name, "remote-exec", (), (time.monotonic() - began) * 1e3)
            injection = PendingCall().inject(
                target, source, hello, max(end - time.monotonic(), _LEAST_LIMIT_S)
            )
            return replace(injection, latency_ms=(time.monotonic() - began) * 1e3)
        finally:
            script.remove()


@dataclass(frozen=True, slots=True)
class _Script:
    """A file in the target's root that the target runs once, unless it was withdrawn."""

    folder: Path
    inner_path: str

    @classmethod
    def place(cls, target: Target, source: bytes) -> _Script:
        for name in _FOLDERS:
            parent = target.root / name
            # Seen from here, a symbolic link leads into our own root.
            if parent.is_dir() and not parent.is_symlink() and os.access(parent, os.W_OK):
                folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
                return cls(folder, f"/{name}/{folder.name}/script.py")._fill(target, source)
        raise AttachError(
            f"process {target.pid} has no folder for temporary files", "use `--method pending-call`"
        )

    def _fill(self, target: Target, source: bytes) -> _Script:
        inner = str(Path(self.inner_path).parent)
        claim = f"import posix; posix.rename({inner + '/claim'!r}, {inner + '/taken'!r})\n"
        (self.folder / "claim").touch()
        (self.folder / "script.py").write_bytes(one_line(claim.encode() + source))
        for path in (*self.folder.iterdir(), self.folder):
            os.chown(path, target.uid, target.gid)
        return self

    def claim(self) -> bool:
        """Take the right to run from the script; False when it has taken that already."""
        try:
            (self.folder / "claim").rename(self.folder / "withdrawn")
        except FileNotFoundError:
            return False
        return True

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _support(target: Target) -> RemoteSupport | None:
    try:
        with Memory(target.pid) as memory:
            return debug_offsets.remote_support(memory, target.runtime, target.version)
    except OSError:
        return None


def _ask(target: Target, script: str) -> None:
    support = _support(target)
    path = script.encode() + b"\0"
    if support is None or not procfs.is_running(target.pid, target.start_time):
        raise AttachError(f"process {target.pid} has ended", "look the pid up again")
    with Memory(target.pid, writable=True) as memory:
        memory.write(support.script_path, path)
        memory.write(support.pending, struct.pack("<i", 1))
        # Only the lowest byte, which holds the requests: the version of the monitoring lies above. CPython, too,
        # sets this bit from outside without a lock: a request that comes at the same instant may come twice.
        requests = memory.read(support.eval_breaker, 1)[0]
        memory.write(support.eval_breaker, bytes([requests | _PLEASE_STOP]))


def _withdraw(target: Target, script: _Script) -> bool:
    if not script.claim():
        return False
    support = _support(target)
    if support is not None:
        with suppress(OSError), Memory(target.pid, writable=True) as memory:
            memory.write(support.pending, struct.pack("<i", 0))
    return True


def _runs_soon(target: Target, hello: Callable[[], bool], end: float) -> bool:
    """Wait for the answer as long as the main thread may still come to a safe point by itself."""
    while not answers(hello, target, min(end, time.monotonic() + _GRACE_S)):
        if sleeps(target) or time.monotonic() >= end:
            return False
    return True
