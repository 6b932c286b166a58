"""Run the part that must not be interrupted in a process of its own.

While the target's main thread stands on borrowed registers, the death of its tracer would be its death too. So the
tracer is a forked child in a session of its own, with every signal blocked and no other thread: Ctrl-C, a closed
terminal, even `kill -9` of the controller do not reach it, and it ends within milliseconds. When it ends, the kernel
lets go of whatever it traced.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NoReturn

from leakaudit.runtime.attach.ptrace import TargetGoneError, TraceError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Guardians that outlived our patience: they are reaped when the next one starts.
_unfinished: list[int] = []


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one stop of the target came to."""

    #: What was done, in a word of the injector's.
    step: str
    #: How long the target's main thread stood still.
    stop_ms: float
    #: Where the queued source lies in the target, if it was put there.
    address: int = 0
    #: The system call in which the main thread waits, or None when it computes.
    blocked_in: int | None = None


class UnfinishedError(TraceError):
    """The guardian is still at work: the target's main thread waits for something."""


def run(task: Callable[[], Outcome], limit_s: float) -> Outcome:
    """Run `task` in a guardian and return what it returned; raises what it raised, UnfinishedError after `limit_s`."""
    _reap()
    reader, writer = os.pipe()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            # The child neither touches locks of ours nor comes back into Python code of other threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _be_guardian(task, writer)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    os.close(writer)
    try:
        text = _read_all(reader, limit_s)
    except UnfinishedError:
        _unfinished.append(child)
        raise
    finally:
        os.close(reader)
    os.waitpid(child, 0)
    return _outcome(text)


def _be_guardian(task: Callable[[], Outcome], writer: int) -> NoReturn:
    try:
        gc.disable()
        os.setsid()
        # A guardian that has to wait long must not hold the controller's sockets open.
        os.closerange(3, writer)
        os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
        try:
            answer = asdict(task())
        except TargetGoneError as error:
            answer = {"gone": str(error)}
        except (TraceError, OSError) as error:
            answer = {"failed": str(error)}
        except Exception as error:  # a guardian has nobody else to tell
            answer = {"failed": f"internal error: {error!r}"}
        os.write(writer, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _read_all(reader: int, limit_s: float) -> bytes:
    # The answer is shorter than a pipe's buffer, so it comes in one piece.
    ready, _, _ = select.select([reader], [], [], limit_s)
    if not ready:
        raise UnfinishedError("the target's main thread still waits for the interpreter lock")
    return os.read(reader, 65536)


def _outcome(text: bytes) -> Outcome:
    if not text:
        raise TraceError("the tracing process ended without an answer")
    answer = json.loads(text)
    if "gone" in answer:
        raise TargetGoneError(answer["gone"])
    if "failed" in answer:
        raise TraceError(answer["failed"])
    return Outcome(**answer)


def _reap() -> None:
    for child in tuple(_unfinished):
        try:
            ended = os.waitpid(child, os.WNOHANG)[0]
        except ChildProcessError:
            ended = child
        if ended:
            _unfinished.remove(child)
