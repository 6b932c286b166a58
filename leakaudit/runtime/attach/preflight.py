"""Look at a process from outside and say whether it can be attached to."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import cpython, debug_offsets, procfs
from leakaudit.runtime.attach.target import Target

_CAP_SYS_PTRACE = 19
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_COOPERATE = "or start it with `leakaudit run`, or have it call `leakaudit.agent.start()`"


def inspect(pid: int) -> Target:
    """Describe the process; raises AttachError with cause and remedy where it cannot be attached to."""
    return _examine(pid, going_in=True)


def look(pid: int) -> Target:
    """Describe a process that is only to be looked at; raises AttachError where that cannot be done either."""
    return _examine(pid, going_in=False)


def _examine(pid: int, *, going_in: bool) -> Target:
    if sys.platform != "linux":
        raise AttachError("a process can be attached to only on Linux", "start it with `leakaudit run`")
    try:
        status = procfs.read_status(pid)
        _refuse_by_status(pid, status)
        if going_in:
            _refuse_stopped(pid, status)
        return _describe(pid, status, going_in=going_in)
    except PermissionError:
        raise _not_permitted(pid, status) from None
    except OSError:
        # The process ended while it was looked at, or it was never there.
        raise AttachError(f"there is no process {pid}", "look the pid up again") from None


def _describe(pid: int, status: dict[str, str], *, going_in: bool) -> Target:
    with procfs.Memory(pid) as memory:
        runtime = cpython.find_runtime(pid, memory)
        version = cpython.version_of(memory, runtime)
        finalizing = debug_offsets.is_finalizing(memory, runtime)
        support = debug_offsets.remote_support(memory, runtime, version)
    target = Target(
        pid=pid,
        start_time=procfs.start_time(pid),
        exe=str(Path(f"/proc/{pid}/exe").readlink()),
        argv=tuple(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")[:-1]),
        cwd=str(Path(f"/proc/{pid}/cwd").readlink()),
        version=version,
        free_threaded=cpython.is_free_threaded(runtime),
        runtime=runtime,
        root=Path(f"/proc/{pid}/root"),
        uid=int(status["Uid"].split()[1]),
        gid=int(status["Gid"].split()[1]),
        namespace_pid=int(status["NSpid"].split()[-1]) if "NSpid" in status else pid,
        threads=int(status["Threads"]),
    )
    opted_out = support is not None and not support.enabled
    if going_in or finalizing:
        _refuse_by_interpreter(target, finalizing=finalizing, opted_out=opted_out)
    return target


def _refuse_by_status(pid: int, status: dict[str, str]) -> None:
    state = status["State"][0]
    if pid == os.getpid():
        raise AttachError(
            "leakaudit cannot attach to itself", "start the agent in process: `leakaudit.agent.start()`"
        )
    if int(status["Tgid"]) != pid:
        raise AttachError(f"{pid} is a thread, not a process", f"give the process: {status['Tgid']}")
    if state in "ZXx" and int(status["Threads"]) > 1:
        raise AttachError(
            f"the main thread of process {pid} has ended", f"wait for its other threads, {_COOPERATE}"
        )
    if state in "ZXx":
        raise AttachError(
            f"process {pid} has ended", f"it remains until its parent {status['PPid']} collects it"
        )
    if "VmSize" not in status:
        raise AttachError(f"{pid} is a kernel thread", "give the pid of a Python process")


def _refuse_stopped(pid: int, status: dict[str, str]) -> None:
    tracer = int(status["TracerPid"])
    if tracer:
        raise AttachError(f"process {pid} is already traced by {_name(tracer)}", "detach that first")
    if status["State"][0] == "T":
        raise AttachError(f"process {pid} is suspended", f"let it go on first: `kill -CONT {pid}`")


def _refuse_by_interpreter(target: Target, *, finalizing: bool, opted_out: bool) -> None:
    if finalizing:
        raise AttachError(
            f"the interpreter of process {target.pid} is shutting down", "there is nothing left to audit"
        )
    if target.version is None:
        raise AttachError(
            f"process {target.pid} runs a Python older than 3.8",
            "watch it from outside with `leakaudit monitor`",
        )
    if target.free_threaded:
        raise AttachError(
            f"process {target.pid} runs a free-threaded Python, in which no code is placed",
            "watch it from outside: `leakaudit runtime --passive`",
        )
    if opted_out:
        raise AttachError(
            f"process {target.pid} has opted out of remote debugging (PYTHON_DISABLE_REMOTE_DEBUG)",
            "watch it from outside: `leakaudit runtime --passive`",
        )


def _not_permitted(pid: int, status: dict[str, str]) -> AttachError:
    owner = int(status["Uid"].split()[1])
    capable = int(procfs.read_status(os.getpid())["CapEff"], 16) >> _CAP_SYS_PTRACE & 1
    scope = _YAMA.read_text().strip() if _YAMA.exists() else "0"
    if not capable and os.geteuid() == 0:
        return AttachError(
            f"process {pid} may not be attached to: root lacks CAP_SYS_PTRACE here",
            f"give the container that capability (`--cap-add=SYS_PTRACE`), {_COOPERATE}",
        )
    if not capable and owner != os.geteuid():
        return AttachError(
            f"process {pid} belongs to {_user(owner)}",
            f"use sudo, become that user, give leakaudit CAP_SYS_PTRACE, {_COOPERATE}",
        )
    if scope != "0":
        return AttachError(
            f"process {pid} may not be attached to: kernel.yama.ptrace_scope is {scope}",
            f"use sudo, set it to 0, {_COOPERATE}",
        )
    return AttachError(
        f"process {pid} may not be attached to: it or a security module forbids it", f"use sudo, {_COOPERATE}"
    )


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _name(pid: int) -> str:
    try:
        return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (pid {pid})"
    except OSError:
        return f"pid {pid}"
