"""Choose how to get into a target: the ways, best first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.errors import AttachError, UsageError
from leakaudit.runtime.attach.cooperative import Cooperative, describe
from leakaudit.runtime.attach.gdb import Gdb
from leakaudit.runtime.attach.pending_call import PendingCall
from leakaudit.runtime.attach.preflight import inspect
from leakaudit.runtime.attach.registers import MACHINES, PROVEN
from leakaudit.runtime.attach.remote_exec import RemoteExec

if TYPE_CHECKING:
    from leakaudit.runtime.attach.injector import Injector
    from leakaudit.runtime.attach.target import Target

#: Best first: a target that lets us in is neither stopped nor written to.
INJECTORS: tuple[Injector, ...] = (Cooperative(), RemoteExec(), PendingCall(), Gdb())
#: Never chosen unless asked for: register files that no machine has proven yet.
UNPROVEN: tuple[Injector, ...] = (PendingCall("pending-call-unproven", frozenset(MACHINES) - PROVEN),)


@dataclass(frozen=True, slots=True)
class RungReport:
    """Whether one way into the target is open, and why or why not."""

    name: str
    available: bool
    reason: str


def rungs(target: Target) -> tuple[RungReport, ...]:
    """Report on every way into the target, best first."""
    proven = [_report(injector, injector.available(target)) for injector in INJECTORS]
    unproven = [
        _report(injector, injector.available(target) or "only when asked for by name")
        for injector in UNPROVEN
    ]
    return (*proven, *unproven)


def _report(injector: Injector, reason: str | None) -> RungReport:
    return RungReport(injector.name, reason is None, reason or "open")


def reach(pid: int, method: str = "auto") -> tuple[Target, Injector]:
    """Describe a process and choose the way into it; raises AttachError where there is none.

    What may not be looked into from outside can still let us in by its own door.
    """
    try:
        target = inspect(pid)
    except AttachError:
        cooperating = describe(pid) if method in ("auto", Cooperative.name) else None
        if cooperating is None:
            raise
        return cooperating, Cooperative()
    return target, choose(target, method)


def choose(target: Target, method: str = "auto") -> Injector:
    """Return the best open way, or the named one; raises AttachError where it is closed, UsageError for a wrong name."""
    candidates = (
        INJECTORS if method == "auto" else [each for each in (*INJECTORS, *UNPROVEN) if each.name == method]
    )
    if not candidates:
        names = ", ".join(injector.name for injector in INJECTORS)
        raise UsageError(f"there is no attach method {method!r}", f"choose one of auto, {names}")
    reasons = {injector.name: injector.available(target) for injector in candidates}
    for injector in candidates:
        if reasons[injector.name] is None:
            return injector
    closed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise AttachError(
        f"no way into process {target.pid} is open ({closed})", "start it with `leakaudit run` instead"
    )
