"""The ptrace requests that an attach needs.

The kernel ties a traced thread to the thread that traces it: all requests for one target must come from one thread.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import time
from typing import NamedTuple

CONT, SINGLESTEP, DETACH = 7, 9, 17
GETREGSET, SETREGSET, SEIZE, INTERRUPT = 0x4204, 0x4205, 0x4206, 0x4207
GETSIGMASK, SETSIGMASK = 0x420A, 0x420B
EVENT_STOP = 128
_WALL = 0x40000000
_SPINS = 100

# PyDLL keeps our own interpreter lock: a ptrace request never blocks, and no other thread of ours may come in
# between while the target stands still.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class TraceError(Exception):
    """The thread could not be stopped or called; unless it ended, it goes on as before."""


class NotNowError(TraceError):
    """The thread holds or awaits what the called function needs; another moment will do."""


class TargetGoneError(TraceError):
    """The target ended, or replaced itself by another program, while it was traced."""


class Stop(NamedTuple):
    """Why a traced thread stopped: a signal on its way to it, or an event of ptrace."""

    signal: int
    event: int


def request(code: int, tid: int, address: int = 0, data: int = 0) -> None:
    """Make one ptrace request; raises TargetGoneError, OSError."""
    if _libc.ptrace(code, tid, address, data) == -1:
        number = ctypes.get_errno()
        if number == errno.ESRCH:
            raise TargetGoneError("it has ended")
        raise OSError(number, os.strerror(number))


def wait_for_stop(tid: int, deadline: float) -> Stop:
    """Wait until a traced thread stops; raises TargetGoneError, TimeoutError at the deadline (monotonic seconds)."""
    for attempt in itertools.count():
        try:
            found, status = os.waitpid(tid, _WALL | os.WNOHANG)
        except ChildProcessError:
            raise TargetGoneError("it has ended") from None
        if found and not os.WIFSTOPPED(status):
            raise TargetGoneError("it has ended")
        if found:
            return Stop(os.WSTOPSIG(status), status >> 16)
        if time.monotonic() > deadline:
            raise TimeoutError
        # A stop usually comes within microseconds.
        if attempt < _SPINS:
            os.sched_yield()
        else:
            time.sleep(0.0001)
    raise AssertionError
