"""Stop one thread of another process, call functions in it, and put everything back."""

from __future__ import annotations

import ctypes
import math
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from leakaudit.runtime.attach import procfs
from leakaudit.runtime.attach.procfs import Memory
from leakaudit.runtime.attach.ptrace import (
    CONT,
    DETACH,
    EVENT_STOP,
    GETREGSET,
    GETSIGMASK,
    INTERRUPT,
    SEIZE,
    SETREGSET,
    SETSIGMASK,
    SINGLESTEP,
    NotNowError,
    Stop,
    TargetGoneError,
    TraceError,
    request,
    wait_for_stop,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakaudit.runtime.attach.registers import Registers

_NT_PRSTATUS = 1
#: Larger than any XSAVE area known (with AMX about 11 KiB).
_REGISTER_SET_SIZE = 32768
#: Below the stack pointer: the red zone (128 bytes on x86-64), and air.
_STACK_GAP = 1024
#: The only waits that the kernel restarts by restart_syscall, by a part of the name of the function that waits. The
#: restart of a sleep leaves no function of its own on the kernel's stack.
_RESTARTED = (
    ("poll", "poll"),
    ("futex", "futex"),
    ("nanosleep", "clock_nanosleep"),
    ("restart_syscall", "clock_nanosleep"),
    ("do_syscall_64", "clock_nanosleep"),
)
_STOP_SIGNALS = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
# A thread raises these by itself. If they were blocked, the kernel would reset the target's handlers.
_SYNCHRONOUS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP)
_ALL_BUT_SYNCHRONOUS = ((1 << 64) - 1) & ~sum(1 << (number - 1) for number in _SYNCHRONOUS)


class _Before(NamedTuple):
    """What was seen of the thread just before the stop."""

    waits_begun: int
    channel: str


class _IOVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class StoppedThread:
    """A thread that stands still; made by `stopped`."""

    def __init__(self, tid: int, registers: type[Registers], memory: Memory, before: _Before) -> None:
        self.tid = tid
        self.memory = memory
        self._before = before
        self._owner = threading.get_ident()
        self._type = registers
        self.saved = self._general()
        self._others = [(kind, content) for kind in registers.other_sets for content in self._other(kind)]
        self._mask = ctypes.c_uint64()
        self._request(GETSIGMASK, 8, ctypes.addressof(self._mask))
        blocked = ctypes.c_uint64(_ALL_BUT_SYNCHRONOUS)
        self._held: list[int] = []
        self._disturbed = False
        self._request(SETSIGMASK, 8, ctypes.addressof(blocked))

    def call(
        self, function: int, *arguments: int, limit_s: float = math.inf, never: frozenset[int] = frozenset()
    ) -> int:
        """Call a C function on the thread's own stack and return its unsigned result.

        With `never`, walk instruction by instruction and give up before any of these addresses is entered. Give up
        too when it waits for a lock for `limit_s`: for functions that hold nothing while they wait. Both raise
        NotNowError; TraceError when the function faults.
        """
        stack = (self.saved.sp - _STACK_GAP) // 16 * 16
        self.memory.write(stack - 16, bytes(16))
        registers = self._general()
        registers.start_call(function, arguments, stack)
        self._set_general(registers)
        while True:
            stop = self._resume(SINGLESTEP if never else CONT, limit_s)
            registers = self._general()
            if stop.signal == signal.SIGSEGV and registers.pc == 0:
                return registers.result
            if stop.signal != signal.SIGTRAP or not never:
                raise TraceError(f"the called function got signal {stop.signal} at {registers.pc:#x}")
            if registers.pc in never:
                raise NotNowError("its queue of pending calls is in use")

    def syscall(self, name: str, *arguments: int) -> int:
        """Make one system call in the thread and return its result; raises OSError, TraceError."""
        registers = self._general()
        registers.start_syscall(self._syscall_instruction(), self._type.syscalls[name], arguments)
        self._set_general(registers)
        stop = self._resume(SINGLESTEP, math.inf)
        if stop.signal != signal.SIGTRAP:
            raise TraceError("the system call instruction is not executable")
        result = self._general().result
        if result > (1 << 64) - 4096:
            raise OSError((1 << 64) - result, f"{name} in the target: {os.strerror((1 << 64) - result)}")
        return result

    def waits_in(self) -> str | None:
        """Return the name of the system call that the stop interrupted and that will go on, or None; raises OSError."""
        number = self._blocked_in(self.saved)
        names = {known: name for name, known in self._type.syscalls.items()}
        if number is None:
            return None
        name = names.get(number, f"number {number}")
        # A wait that was interrupted before lost its number. It is the one that was seen from outside, unless the
        # thread waited for anything but the stop since then.
        if name == "restart_syscall" and procfs.waits_begun(self.tid) <= self._before.waits_begun + 1:
            return next((call for word, call in _RESTARTED if word in self._before.channel), name)
        return name

    @property
    def scratch(self) -> int:
        """Return the address of a few free words of the thread's stack, out of reach of called functions."""
        return (self.saved.sp - _STACK_GAP // 2) // 16 * 16

    def restore(self) -> None:
        """Put back registers and signal mask, so that the interrupted code or system call goes on."""
        if self._disturbed and self.saved.restarts_by_block():
            # Our call waited and was interrupted: the kernel's memory of the target's own wait is overwritten.
            self.saved.interrupt_syscall()
        try:
            for kind, content in self._others:
                self._register_set(SETREGSET, kind, content)
        finally:
            self._set_general(self.saved)
            self._request(SETSIGMASK, 8, ctypes.addressof(self._mask))
            # A stop signal came meanwhile (others were only blocked): it takes effect when we have let go.
            for number in self._held:
                with suppress(ProcessLookupError):
                    os.kill(self.tid, number)

    def _blocked_in(self, registers: Registers) -> int | None:
        try:
            code = self.memory.read(registers.pc - 4, 8)
        except OSError:  # at the edge of a mapping, where no thread waits
            code = bytes(8)
        return registers.blocked_in(code)

    def _syscall_instruction(self) -> int:
        wanted = self._type.syscall_instruction
        for mapping in procfs.read_maps(self.tid):
            if mapping.path == "[vdso]":
                at = self.memory.read(mapping.start, mapping.end - mapping.start).find(wanted)
                if at >= 0:
                    return mapping.start + at
        raise TraceError("the target has no vdso with a system call instruction")

    def _resume(self, how: int, limit_s: float) -> Stop:
        """Let the thread go on until it stops by itself; what comes from outside waits until it is let go."""
        while True:
            self._request(how)
            try:
                stop = wait_for_stop(self.tid, time.monotonic() + limit_s)
            except TimeoutError:
                self._request(INTERRUPT)
                stop = wait_for_stop(self.tid, math.inf)
                if stop.event and self._blocked_in(self._general()) == self._type.syscalls["futex"]:
                    raise NotNowError("its queue of pending calls is in use") from None
            if not stop.event and stop.signal not in _STOP_SIGNALS:
                return stop
            self._disturbed = True
            if not stop.event:
                self._held.append(stop.signal)

    def _general(self) -> Registers:
        registers = self._type()
        self._register_set(GETREGSET, _NT_PRSTATUS, registers)
        return registers

    def _set_general(self, registers: Registers) -> None:
        self._register_set(SETREGSET, _NT_PRSTATUS, registers)

    def _other(self, kind: int) -> list[ctypes.Array[ctypes.c_char]]:
        room = ctypes.create_string_buffer(_REGISTER_SET_SIZE)
        try:
            size = self._register_set(GETREGSET, kind, room)
        except OSError:  # this processor has no such registers
            return []
        return [(ctypes.c_char * size).from_buffer_copy(room)]

    def _register_set(
        self, code: int, kind: int, content: ctypes.Array[ctypes.c_char] | ctypes.Structure
    ) -> int:
        vector = _IOVec(ctypes.addressof(content), ctypes.sizeof(content))
        self._request(code, kind, ctypes.addressof(vector))
        return int(vector.length)

    def _request(self, code: int, address: int = 0, data: int = 0) -> None:
        if threading.get_ident() != self._owner:
            raise RuntimeError("only the thread that stopped the target may use it")
        request(code, self.tid, address, data)


@contextmanager
def stopped(tid: int, registers: type[Registers], limit_s: float = 5.0) -> Iterator[StoppedThread]:
    """Stop a thread for the length of a `with` block; whatever happens in it, the thread is restored and let go.

    Raises TraceError when it may not be traced, does not stop within `limit_s` (it is in an uninterruptible wait), or
    its process is suspended; TargetGoneError when it ended.
    """
    before = _look(tid)
    _seize(tid)
    try:
        _interrupt(tid, time.monotonic() + limit_s)
        with Memory(tid, writable=True) as memory:
            thread = StoppedThread(tid, registers, memory, before)
            try:
                yield thread
            finally:
                thread.restore()
    finally:
        # A thread that ended, or that did not stop, cannot be detached from; the kernel does it when we end.
        with suppress(OSError, TargetGoneError):
            request(DETACH, tid)


def _seize(tid: int) -> None:
    try:
        request(SEIZE, tid)
    except PermissionError:
        if procfs.has_ended(tid):
            raise TargetGoneError("it has ended") from None
        raise TraceError("another tracer, seccomp or a security module keeps ptrace away from it") from None


def _look(tid: int) -> _Before:
    try:
        return _Before(procfs.waits_begun(tid), procfs.wait_channel(tid))
    except OSError:
        raise TargetGoneError("it has ended") from None


def _interrupt(tid: int, deadline: float) -> None:
    request(INTERRUPT, tid)
    while True:
        try:
            stop = wait_for_stop(tid, deadline)
        except TimeoutError:
            raise TraceError("the main thread is in a wait that cannot be interrupted") from None
        if stop.event != EVENT_STOP:
            # A signal that was on its way goes through as if we were not here.
            request(CONT, tid, 0, 0 if stop.event else stop.signal)
        elif stop.signal in _STOP_SIGNALS:
            raise TraceError("the target is suspended")
        else:
            return
