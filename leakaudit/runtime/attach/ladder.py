"""Choose how to get into a target: the ways, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.errors import AttachError, UsageError
from leakaudit.runtime.attach.gdb import Gdb
from leakaudit.runtime.attach.pending_call import PendingCall
from leakaudit.runtime.attach.remote_exec import RemoteExec

if TYPE_CHECKING:
    from leakaudit.runtime.attach.injector import Injector
    from leakaudit.runtime.attach.target import Target

INJECTORS: tuple[Injector, ...] = (RemoteExec(), PendingCall(), Gdb())


@dataclass(frozen=True, slots=True)
class RungReport:
    """Whether one way into the target is open, and why or why not."""

    name: str
    available: bool
    reason: str


def rungs(target: Target) -> tuple[RungReport, ...]:
    """Report on every way into the target, best first."""
    reasons = [(injector, injector.available(target)) for injector in INJECTORS]
    return tuple(RungReport(injector.name, reason is None, reason or "open") for injector, reason in reasons)


def choose(target: Target, method: str = "auto") -> Injector:
    """Return the best open way, or the named one; raises AttachError where it is closed, UsageError for a wrong name."""
    names = [injector.name for injector in INJECTORS]
    if method != "auto" and method not in names:
        raise UsageError(f"there is no attach method {method!r}", f"choose one of auto, {', '.join(names)}")
    closed = []
    for injector in INJECTORS:
        if method in ("auto", injector.name):
            reason = injector.available(target)
            if reason is None:
                return injector
            closed.append(f"{injector.name}: {reason}")
    raise AttachError(
        f"no way into process {target.pid} is open ({'; '.join(closed)})",
        "start it with `leakaudit run` instead",
    )
