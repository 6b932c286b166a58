"""What files may take: a limit on the time of each, and no garbage collections meanwhile."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator

from leakaudit.errors import SourceError


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[Callable[[bool], None]]:
    """Yield what starts (True) and stops (False) the clock; SourceError comes up after `seconds` of processor time.

    Signals reach only the main thread, and Windows lacks this one: elsewhere there is no limit but that on the size.
    """
    import signal
    import threading

    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield lambda _running: None
        return

    def clock(running: bool) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds if running else 0.0)

    def give_up(_number: int, _frame: object) -> None:
        raise SourceError(f"took longer than {seconds:g} s", "exclude it, or split it up")

    before = signal.signal(signal.SIGVTALRM, give_up)
    try:
        yield clock
    finally:
        clock(False)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Keep the garbage collector off: trees and facts are millions of objects, and no cycles worth a collection."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
