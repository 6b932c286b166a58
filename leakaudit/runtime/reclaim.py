"""How the agent makes the target give memory back; read from the channel when that is asked for."""

# ruff: noqa: PTH123
from __future__ import annotations

import gc
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from leakaudit.runtime.agent import Agent

PAGE = 4096  # of statm's figures; larger pages only on processors that agents do not run on


def reclaim(agent: Agent) -> dict[str, Any]:
    """Collect what is unreachable, then let the C library give free pages back; return what each did.

    The collector holds all threads up while it works, and finalizers of the target's may run.
    """
    rss = [resident()]
    unreachable, collect_ms = agent.ledger.atomic(gc.collect)
    rss.append(resident())
    trim_ms = trim()
    if trim_ms is not None:
        rss.append(resident())
    return {"rss": rss, "unreachable": unreachable, "collect_ms": collect_ms, "trim_ms": trim_ms}


def trim() -> float | None:
    """Return how many ms `malloc_trim` took, during which other threads run; None where there is none."""
    import _ctypes

    number = type("Number", (_ctypes._SimpleCData,), {"_type_": "l"})
    prototype = type("Call", (_ctypes.CFuncPtr,), {"_flags_": _ctypes.FUNCFLAG_CDECL, "_restype_": number})
    try:
        address = _ctypes.dlsym(_ctypes.dlopen(None, 2), "malloc_trim")  # type: ignore[arg-type]
    except OSError:
        return None
    call: Any = prototype(address)
    began = time.monotonic()
    call(number(0))
    return (time.monotonic() - began) * 1e3


def resident() -> int:
    """Return the resident bytes, 0 where there is no /proc."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:
        return 0
