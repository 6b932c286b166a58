"""`leakaudit runtime --live`: what grows, as it moves, while the audit watches."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from leakaudit.cli.color import color_wanted
from leakaudit.cli.live_state import State
from leakaudit.cli.live_view import BARS, view
from leakaudit.runtime.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from leakaudit.findings.report import Report
    from leakaudit.runtime.audit import Options
    from leakaudit.runtime.session import Record

REDRAW_S = 0.25


def can_show() -> bool:
    """Tell whether stderr is a terminal on which lines can be drawn anew."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def audit_live(
    pid: int, scan: Callable[[Sequence[Path]], Report], options: Options, *, children: bool = False
) -> Report:
    """Audit a process, or all below it too, and draw on the terminal what grows meanwhile.

    The drawing is gone when this returns.
    """
    from leakaudit.runtime.audit import audit
    from leakaudit.runtime.fleet import audit_tree

    console = Console(stderr=True, no_color=not color_wanted() or None)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        drawing = _Drawing(live)
        if children:
            return audit_tree(pid, scan, options, drawing.step, drawing.heard)
        with closing(Session(options.session, drawing.heard(pid))) as session:
            return audit(pid, scan, options, drawing.step, session)


class _Drawing:
    def __init__(self, live: Live) -> None:
        self._states: dict[int, State] = {}
        self._live = live
        self._bars = _can_encode(BARS, live.console.encoding)
        self._phase, self._due = "", 0.0

    def heard(self, pid: int) -> Callable[[Record], None]:
        """Return who is to be told of the records of a process."""
        self._states[pid] = State()
        return self._states[pid].hear

    def step(self, phase: str, done: float, total: float) -> None:
        """Take note of where the audit stands, and draw it now and then."""
        for state in self._states.values():
            state.step(phase, done, total)
        if phase != self._phase or time.monotonic() >= self._due:
            self._phase, self._due = phase, time.monotonic() + REDRAW_S
            size = self._live.console.size
            moments = [state.moment for state in self._states.values()]
            shown = view(moments, size.width, size.height, bars=self._bars)
            self._live.update(shown, refresh=True)


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
