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

REDRAW_S = 0.25


def can_show() -> bool:
    """Tell whether stderr is a terminal on which lines can be drawn anew."""
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def audit_live(pid: int, scan: Callable[[Sequence[Path]], Report], options: Options) -> Report:
    """Audit a process and draw on the terminal what grows meanwhile; the drawing is gone when this returns."""
    from leakaudit.runtime.audit import audit

    console = Console(stderr=True, no_color=not color_wanted() or None)
    state = State()
    with (
        closing(Session(options.session, heard=state.hear)) as session,
        Live(console=console, auto_refresh=False, transient=True) as live,
    ):
        return audit(pid, scan, options, _Drawing(state, live).step, session)


class _Drawing:
    def __init__(self, state: State, live: Live) -> None:
        self._state, self._live = state, live
        self._bars = _can_encode(BARS, live.console.encoding)
        self._phase, self._due = "", 0.0

    def step(self, phase: str, done: float, total: float) -> None:
        """Take note of where the audit stands, and draw it now and then."""
        self._state.step(phase, done, total)
        if phase != self._phase or time.monotonic() >= self._due:
            self._phase, self._due = phase, time.monotonic() + REDRAW_S
            size = self._live.console.size
            shown = view(self._state.moment, size.width, size.height, bars=self._bars)
            self._live.update(shown, refresh=True)


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
