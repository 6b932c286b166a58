"""The way in through the target's own door, which `leakaudit.agent` opened: no ptrace, no pause."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import leakaudit
from leakaudit.agent import NAME, SLOTS
from leakaudit.errors import AttachError
from leakaudit.runtime.attach import procfs
from leakaudit.runtime.attach.injector import Injection
from leakaudit.runtime.attach.target import Runtime, Target

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_S = 5.0
POLL_S = 0.01
LARGEST_ANSWER = 1 << 16
NO_DOOR = "the target has no door; start it with `leakaudit run`, or let it call `leakaudit.agent.start()`"


class Cooperative:
    """Asks the target to start the agent that came with its own leakaudit."""

    name = "cooperative"

    def available(self, target: Target) -> str | None:
        """Return why this way is closed for the target, or None when it is open."""
        try:
            answer = _ask(target.pid, target.namespace_pid, do="describe")
        except AttachError as error:
            return error.cause
        return None if answer is not None else NO_DOOR

    def inject(
        self, target: Target, source: bytes, hello: Callable[[], bool], deadline_s: float
    ) -> Injection:
        """Have the agent started on the channel whose path `source` is; raises AttachError."""
        began = time.monotonic()
        answer = _ask(target.pid, target.namespace_pid, do="start", directory=os.fsdecode(source))
        if answer is None:
            raise AttachError(f"the door of process {target.pid} was closed", NO_DOOR)
        while not hello():
            if time.monotonic() - began > deadline_s:
                raise AttachError(f"the agent in process {target.pid} does not answer", "try again")
            time.sleep(POLL_S)
        return Injection(self.name, "door", (), (time.monotonic() - began) * 1e3)


def has_door(pid: int) -> bool:
    """Tell whether a process has a door; nothing is asked."""
    try:
        status = procfs.read_status(pid)
    except OSError:
        return False
    door = _find(pid, int(status["NSpid"].split()[-1]) if "NSpid" in status else pid)
    if door is not None:
        door.close()
    return door is not None


def describe(pid: int) -> Target | None:
    """Return what a process says of itself at its door, None if it has none; raises AttachError."""
    try:
        status = procfs.read_status(pid)
        namespace_pid = int(status["NSpid"].split()[-1]) if "NSpid" in status else pid
        if status["State"][0] in "ZXxTt":
            return None
        answer = _ask(pid, namespace_pid, do="describe")
        if answer is None:
            return None
        return Target(
            pid=pid,
            start_time=procfs.start_time(pid),
            exe=answer["exe"],
            argv=tuple(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")[:-1]),
            cwd=answer["cwd"],
            version=tuple(answer["python"]),
            free_threaded=False,
            runtime=Runtime("", 0, {}, b""),
            root=_root(pid),
            uid=int(status["Uid"].split()[1]),
            gid=int(status["Gid"].split()[1]),
            namespace_pid=namespace_pid,
            threads=int(status["Threads"]),
        )
    except OSError:
        return None


def _root(pid: int) -> Path:
    root = Path(f"/proc/{pid}/root")
    try:
        root.stat()
    except PermissionError:
        return Path("/")  # most likely: who is kept from looking usually shares the container
    return root


def _ask(pid: int, namespace_pid: int, **request: str) -> dict[str, Any] | None:
    """Return the answer to a request, None where there is no door; raises AttachError."""
    door = _find(pid, namespace_pid)
    if door is None:
        return None
    with door:
        try:
            door.sendall(json.dumps(request).encode() + b"\n")
            text = _line(door)
        except ConnectionError:
            return None
        except OSError:
            raise AttachError(
                f"process {pid} does not answer at its door", "it may be suspended, or ending; try again"
            ) from None
    if not text:  # it has become another program, or ends
        return None
    answer = json.loads(text)
    if "error" in answer:
        raise AttachError(f"process {pid} lets us not in: {answer['error']}", "come as its user or as root")
    if answer["version"] != leakaudit.__version__:
        raise AttachError(
            f"process {pid} runs leakaudit {answer['version']}, and this is {leakaudit.__version__}",
            "use the same version",
        )
    return dict(answer)


def _line(door: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n") and len(text) < LARGEST_ANSWER:
        part = door.recv(LARGEST_ANSWER)
        if not part:
            break
        text += part
    return text


def _find(pid: int, namespace_pid: int) -> socket.socket | None:
    """Connect to the door of a process; the kernel tells who listens, so that nobody can pose as another."""
    open_doors = _names()
    for slot in SLOTS:
        name = NAME.format(namespace_pid, slot)
        if name not in open_doors:
            continue
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        door.settimeout(ANSWER_S)
        try:
            door.connect("\0" + name)
            listener = struct.unpack("3i", door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        except OSError:
            listener = 0
        if listener == pid:
            return door
        door.close()
    return None


def _names() -> frozenset[str]:
    try:
        lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(line.rpartition(" @")[2] for line in lines if " @" in line)
