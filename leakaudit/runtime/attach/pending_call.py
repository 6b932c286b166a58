"""Rung 2: queue the source with Py_AddPendingCall from a ptrace stop, as a signal handler may; CPython 3.8 to 3.15.

Nothing is allocated or run in the stop: the interpreter itself runs the queued call at its next safe point. Where the
main thread never comes to one because it waits, it is helped along only when its wait is understood:

- in a Python lock (join, Event.wait, queue.get) the wait returns EINTR, and CPython's own code serves the queue;
- in a blocking system call with the interpreter lock released, the thread takes the lock as any C callback may, serves
  the queue, releases the lock, and goes back into the same system call.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import buffer, guardian, main_thread, procfs
from leakaudit.runtime.attach.guardian import UnfinishedError
from leakaudit.runtime.attach.injector import Injection
from leakaudit.runtime.attach.ptrace import NotNowError, TraceError
from leakaudit.runtime.attach.registers import PROVEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakaudit.runtime.attach.guardian import Outcome
    from leakaudit.runtime.attach.target import Target

_POLL_S = 0.002
_GRACE_COMPUTING_S, _GRACE_WAITING_S, _LONGEST_GRACE_S = 0.25, 0.05, 1.0
_LAST_CHANCE_S = 0.3
_LEAST_LIMIT_S = 0.3
# `_thread.interrupt_main` gives a Ctrl-C back that the target caught while our code ran.
_GUARD = (
    "try:\n exec(globals().pop('source'))\n"
    "except KeyboardInterrupt:\n import _thread; _thread.interrupt_main()\n"
    "except BaseException:\n pass\n"
)


#: The kernel would take an ignored one back to its default.
_OUR_SIGNALS = (signal.SIGSEGV, signal.SIGTRAP)


def one_line(source: bytes) -> bytes:
    """Return one line of Python that runs `source` in a namespace of its own and never raises.

    One line, so that changing its first byte to `#` withdraws it. It assigns no name, because it runs in `__main__`.
    """
    return f"__import__('builtins').exec({_GUARD!r}, {{'__name__': '__leakaudit__', 'source': {source!r}}})".encode()


@dataclass(frozen=True, slots=True)
class PendingCall:
    """The injector for every CPython that has no PEP 768, and the fallback for those that have it."""

    name: str = "pending-call"
    #: The ELF machine numbers that it is for.
    machines: frozenset[int] = PROVEN

    def available(self, target: Target) -> str | None:
        """Return why this way is closed for the target, or None when it is open."""
        if target.runtime.elf_machine not in self.machines:
            return "not for this processor"
        missing = [name for name in main_thread.NEEDED if name not in target.runtime.symbols]
        if missing:
            return f"{target.runtime.path} does not export {', '.join(missing)}"
        ignored = _ignored_signals(target.pid)
        for number in _OUR_SIGNALS:
            if ignored >> (number - 1) & 1:
                return f"the target ignores {number.name}, by which a call in it returns"
        return None

    def inject(
        self, target: Target, source: bytes, hello: Callable[[], bool], deadline_s: float
    ) -> Injection:
        """Run `source` once in the target's main thread and wait until `hello` is true; raises AttachError."""
        began = time.monotonic()
        end = began + deadline_s
        outcomes = [_queue(target, one_line(source), deadline_s)]
        address = outcomes[0].address
        try:
            _wait_and_help(target, hello, end, outcomes)
        except AttachError:
            _withdraw(target, address)
            # It may have begun in the moment before; then it runs to its end.
            if not answers(hello, target, time.monotonic() + _LAST_CHANCE_S):
                raise
        except BaseException:
            _withdraw(target, address)
            raise
        _release(target, address)
        helped = [outcome.step for outcome in outcomes if outcome.step in ("served", "interrupted")]
        return Injection(
            method=self.name,
            mode=helped[-1] if helped else "pending",
            stops_ms=tuple(outcome.stop_ms for outcome in outcomes),
            latency_ms=(time.monotonic() - began) * 1e3,
        )


def _ignored_signals(pid: int) -> int:
    try:
        return int(procfs.read_status(pid)["SigIgn"], 16)
    except OSError:
        return 0  # it has ended, which the attach will notice


def _wait_and_help(target: Target, hello: Callable[[], bool], end: float, outcomes: list[Outcome]) -> None:
    grace = _GRACE_COMPUTING_S if outcomes[0].waits_in is None else _GRACE_WAITING_S
    trouble = ""
    while not answers(hello, target, min(end, time.monotonic() + grace)):
        left_s = end - time.monotonic()
        if left_s <= 0:
            raise _never_came(target, outcomes[-1], trouble)
        if sleeps(target):
            try:
                outcomes.append(
                    guardian.run(partial(main_thread.help_along, target), max(left_s, _LEAST_LIMIT_S))
                )
                trouble = ""
            except UnfinishedError:
                trouble = "it waits for the interpreter lock, which C code holds"
            except TraceError as error:
                trouble = str(error)
            grace = min(2 * grace, _LONGEST_GRACE_S)


def sleeps(target: Target) -> bool:
    """Tell whether the main thread waits for something."""
    try:
        return procfs.state(target.pid) == "S"
    except OSError:
        return False


def answers(hello: Callable[[], bool], target: Target, until: float) -> bool:
    """Wait for `hello`, at most until `until` (monotonic seconds); raises AttachError when the target ends."""
    while not hello():
        if not procfs.is_running(target.pid, target.start_time):
            raise AttachError(f"process {target.pid} ended before the agent answered")
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_S)
    return True


def _queue(target: Target, line: bytes, limit_s: float, attempts_left: int = 5) -> Outcome:
    task = partial(main_thread.queue, target, line)
    try:
        return guardian.run(task, limit_s, undo=lambda outcome: _withdraw(target, outcome.address))
    except NotNowError as error:
        if not attempts_left:
            raise _failed(target, error) from None
    except TraceError as error:
        raise _failed(target, error) from None
    time.sleep(_POLL_S)
    return _queue(target, line, limit_s, attempts_left - 1)


def _failed(target: Target, error: TraceError) -> AttachError:
    return AttachError(
        f"cannot attach to process {target.pid}: {error}", "try again, or start it with `leakaudit run`"
    )


def _never_came(target: Target, last: Outcome, trouble: str) -> AttachError:
    return AttachError(
        f"the main thread of process {target.pid} came to no safe point in time: {trouble or _where(target, last)}",
        "try again with a longer limit, or start it with `leakaudit run`",
    )


def _where(target: Target, last: Outcome) -> str:
    if last.waits_in is None or not sleeps(target):
        return "it is in a long call of C code"
    return f"it waits in C code, in the system call {last.waits_in}"


def _withdraw(target: Target, address: int) -> None:
    with suppress(OSError):
        buffer.withdraw(target.pid, address)


def _release(target: Target, address: int) -> None:
    with suppress(OSError):
        buffer.release(target.pid, address)
