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
import sys
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NoReturn

from leakaudit.runtime.attach.ptrace import NotNowError, TargetGoneError, TraceError

if TYPE_CHECKING:
    from collections.abc import Callable

_ERRORS = {error.__name__: error for error in (NotNowError, TargetGoneError)}
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
    waits_in: str | None = None


class UnfinishedError(TraceError):
    """The guardian is still at work: the target's main thread waits for something."""


def run(
    task: Callable[[], Outcome], limit_s: float, undo: Callable[[Outcome], None] | None = None
) -> Outcome:
    """Run `task` in a guardian and return what it returned; raises TraceError, and UnfinishedError after `limit_s`.

    When nobody is left to receive the outcome (the caller was interrupted, or is dead), `undo` is called with it.
    """
    _reap()
    child, reader = _start(task, undo)
    try:
        text = _read_all(reader, limit_s)
    except BaseException:
        # Once the reader is closed, the guardian finds nobody and undoes its work; if it answered already, we do.
        late = _read_now(reader)
        if late and undo is not None:
            with suppress(TraceError):
                undo(_outcome(late))
        _unfinished.append(child)
        raise
    finally:
        os.close(reader)
    os.waitpid(child, 0)
    return _outcome(text)


def _start(task: Callable[[], Outcome], undo: Callable[[Outcome], None] | None) -> tuple[int, int]:
    """Start a guardian and return its pid and the end of the pipe on which it will answer."""
    descriptors: tuple[int, ...] = ()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        descriptors = reader, writer = os.pipe()
        child = _fork()
        if child == 0:
            os.close(reader)
            _be_guardian(task, writer, undo)
    except OSError as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise TraceError(f"no tracing process could be started: {error.strerror}") from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    os.close(writer)
    return child, reader


def _fork() -> int:
    if sys.version_info < (3, 12):
        return os.fork()
    with warnings.catch_warnings():
        # From 3.12 on it warns when other threads exist; the child runs only this module and what the task needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _be_guardian(
    task: Callable[[], Outcome], writer: int, undo: Callable[[Outcome], None] | None
) -> NoReturn:
    try:
        gc.disable()
        os.setsid()
        with suppress(OSError):  # only root may; it shortens the stop when processors are scarce
            os.setpriority(os.PRIO_PROCESS, 0, -20)
        _close_all_but(writer)
        outcome = None
        try:
            outcome = task()
            answer: dict[str, object] = asdict(outcome)
        except (TraceError, OSError) as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        except Exception as error:  # a guardian has nobody else to tell
            answer = {"error": "TraceError", "text": f"internal error: {error!r}"}
        try:
            os.write(writer, json.dumps(answer).encode())
        except BrokenPipeError:
            if outcome is not None and undo is not None:
                undo(outcome)
    finally:
        os._exit(0)


def _close_all_but(keep: int) -> None:
    # A guardian that has to wait long must not hold the controller's sockets open.
    for number in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208
        if number > 2 and number != keep:
            with suppress(OSError):
                os.close(number)


def _read_all(reader: int, limit_s: float) -> bytes:
    # The answer is shorter than a pipe's buffer, so it comes in one piece.
    if not _is_readable(reader, limit_s):
        raise UnfinishedError("its main thread has not come out of the stop yet")
    return os.read(reader, 65536)


def _read_now(reader: int) -> bytes:
    return os.read(reader, 65536) if _is_readable(reader, 0) else b""


def _is_readable(reader: int, limit_s: float) -> bool:
    poll = select.poll()  # select() itself refuses descriptors above 1023
    poll.register(reader, select.POLLIN)
    return bool(poll.poll(limit_s * 1e3))


def _outcome(text: bytes) -> Outcome:
    if not text:
        raise TraceError("the tracing process ended without an answer")
    answer = json.loads(text)
    if "error" in answer:
        raise _ERRORS.get(answer["error"], TraceError)(answer["text"])
    return Outcome(**answer)


def _reap() -> None:
    for child in tuple(_unfinished):
        try:
            ended = os.waitpid(child, os.WNOHANG)[0]
        except ChildProcessError:
            ended = child
        if ended:
            with suppress(ValueError):  # another thread of ours was faster
                _unfinished.remove(child)
