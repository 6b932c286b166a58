"""What is done to the target's main thread while it stands still; each function is one stop."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from leakaudit.runtime.attach import buffer, procfs
from leakaudit.runtime.attach.guardian import Outcome
from leakaudit.runtime.attach.ptrace import NotNowError, TargetGoneError, TraceError
from leakaudit.runtime.attach.registers import MACHINES
from leakaudit.runtime.attach.stopped import StoppedThread, stopped

if TYPE_CHECKING:
    from leakaudit.runtime.attach.target import Target

NEEDED = (
    "Py_AddPendingCall",
    "Py_IsInitialized",
    "PyRun_SimpleString",
    "Py_MakePendingCalls",
    "PyGILState_Check",
    "PyGILState_Ensure",
    "PyGILState_GetThisThreadState",
    "PyGILState_Release",
    "PyErr_Clear",
    "PyErr_Fetch",
    "PyErr_Occurred",
    "PyThread_get_thread_ident",
    "PyThreadState_SetAsyncExc",
    "Py_DecRef",
)
_LOCK_WAITS = ("PyThread_acquire_lock_timed", "_PySemaphore_Wait")
# To wait for the kind of lock that CPython 3.13 has, a thread gives the interpreter lock away: not ours to do.
_LOCK_ENTRIES = ("PyMutex_Lock", "_PyMutex_LockSlow", "_PyMutex_LockTimed", "_PyParkingLot_Park")
SYMBOLS = (*NEEDED, *_LOCK_WAITS, *_LOCK_ENTRIES)
#: System calls in which Python code waits with the interpreter lock released, and in which malloc never waits.
_UNDERSTOOD_WAITS = (
    "read", "readv", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2", "nanosleep",
    "clock_nanosleep", "pause", "accept", "accept4", "connect", "recvfrom", "recvmsg", "recvmmsg", "wait4", "waitid",
    "rt_sigtimedwait", "rt_sigsuspend",
)  # fmt: skip
#: A wait in a lock with a timeout is a restarted one when it was interrupted before.
_LOCK_CALLS = ("futex", "restart_syscall")
_STACK_WORDS = 96
_QUEUE_LIMIT_S = 0.25


def queue(target: Target, line: bytes) -> Outcome:
    """Queue one line of source as a pending call; raises TraceError, OSError."""
    began = time.perf_counter()
    with stopped(target.pid, MACHINES[target.runtime.elf_machine]) as thread:
        waits_in = thread.waits_in()
        _check_alive(thread, target)
        address = buffer.place(thread, line)
        try:
            _queue_call(thread, target, address)
        except NotNowError:
            buffer.free(thread, address)
            raise
    return Outcome("queued", _ms_since(began), address, waits_in)


def help_along(target: Target) -> Outcome:
    """Let the main thread serve its queue of pending calls, if it waits where that is safe; raises TraceError, OSError."""
    began = time.perf_counter()
    with stopped(target.pid, MACHINES[target.runtime.elf_machine]) as thread:
        waits_in = thread.waits_in()
        _check_alive(thread, target)
        step = "left"
        if waits_in in _LOCK_CALLS and _waits_in_python_lock(thread, target):
            thread.saved.interrupt_syscall()
            step = "interrupted"
        elif waits_in in _UNDERSTOOD_WAITS and _serve_queue(thread, target):
            step = "served"
    return Outcome(step, _ms_since(began), 0, waits_in)


def _check_alive(thread: StoppedThread, target: Target) -> None:
    code = target.runtime.symbols["Py_AddPendingCall"]
    try:
        same = (
            procfs.start_time(target.pid) == target.start_time
            and thread.memory.read(code.address, len(target.runtime.fingerprint))
            == target.runtime.fingerprint
        )
    except OSError:
        same = False
    if not same:
        raise TargetGoneError("it has replaced itself by another program")
    if not _call(thread, target, "Py_IsInitialized") & 0xFFFFFFFF:
        raise TraceError("its interpreter is starting or shutting down")


def _queue_call(thread: StoppedThread, target: Target, address: int) -> None:
    symbols = target.runtime.symbols
    never = frozenset(symbols[name].address for name in _LOCK_ENTRIES if name in symbols)
    result = thread.call(
        symbols["Py_AddPendingCall"].address,
        symbols["PyRun_SimpleString"].address,
        address,
        limit_s=_QUEUE_LIMIT_S,
        never=never,
    )
    if result & 0xFFFFFFFF:
        raise NotNowError("its queue of pending calls is full")


def _waits_in_python_lock(thread: StoppedThread, target: Target) -> bool:
    stack = struct.unpack(f"<{_STACK_WORDS}Q", thread.memory.read(thread.saved.sp, 8 * _STACK_WORDS))
    waits = [target.runtime.symbols[name] for name in _LOCK_WAITS if name in target.runtime.symbols]
    return any(wait.address < word < wait.address + wait.size for word in stack for wait in waits)


def _serve_queue(thread: StoppedThread, target: Target) -> bool:
    # A thread without a thread state never ran Python; one that holds the interpreter lock waits in a C call that
    # did not release it, and Python code must not run inside of that.
    if not _call(thread, target, "PyGILState_GetThisThreadState"):
        return False
    if _call(thread, target, "PyGILState_Check") & 0xFFFFFFFF:
        return False
    state = _call(thread, target, "PyGILState_Ensure")
    try:
        return not _call(thread, target, "PyErr_Occurred") and _make_pending_calls(thread, target)
    finally:
        _call(thread, target, "PyGILState_Release", state & 0xFFFFFFFF)


def _make_pending_calls(thread: StoppedThread, target: Target) -> bool:
    if not _call(thread, target, "Py_MakePendingCalls") & 0xFFFFFFFF:
        return True
    # A signal handler of the target's was due as well, came first, and raised. Code that waits in a system call does
    # not expect that, so the exception goes where it would have gone: to the next bytecode that the thread runs.
    slots = [thread.scratch + 8 * index for index in range(3)]
    _call(thread, target, "PyErr_Fetch", *slots)
    references = struct.unpack("<3Q", thread.memory.read(slots[0], 24))
    served = not _call(thread, target, "Py_MakePendingCalls") & 0xFFFFFFFF
    _call(thread, target, "PyErr_Clear")
    if references[0]:
        ident = _call(thread, target, "PyThread_get_thread_ident")
        _call(thread, target, "PyThreadState_SetAsyncExc", ident, references[0])
    for reference in references:
        _call(thread, target, "Py_DecRef", reference)
    return served


def _call(thread: StoppedThread, target: Target, name: str, *arguments: int) -> int:
    return thread.call(target.runtime.symbols[name].address, *arguments)


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3
