"""A progress bar on stderr, for a terminal and for work that takes its time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from leakaudit.cli.color import color_wanted

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

#: What is done sooner needs no bar, and rich is not imported.
PATIENCE_S = 0.8
#: What the phases of an audit are called.
PHASES = {
    "attach": "attaching",
    "scan": "scanning the source",
    "census": "counting in a copy of the process",
    "watch": "watching",
}


class Progress:
    """Called with (done, total), or `step` with a word for what is going on; draws when patience ends."""

    def __init__(self, verb: str, noun: str, *, wanted: bool = True) -> None:
        self._verb = verb
        self._noun = noun
        self._wanted = wanted and sys.stderr.isatty()
        self._started = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __call__(self, done: float, total: float) -> None:
        self.step(self._verb, done, total)

    def step(self, phase: str, done: float, total: float) -> None:
        """Show how far the work has come that `phase` names; as long as `done` is 0, only that it goes on."""
        if not self._wanted or (self._bar is None and time.monotonic() - self._started < PATIENCE_S):
            return
        if self._bar is None:
            self._open()
        assert self._bar is not None
        assert self._task is not None
        self._bar.update(
            self._task,
            description=PHASES.get(phase, phase),
            completed=done,
            total=total if done else None,
            told=f"{done:.0f}/{total:.0f} {self._noun}" if done else "",
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(
            *columns, console=Console(stderr=True, no_color=not color_wanted() or None), transient=True
        )
        self._task = self._bar.add_task(self._verb, total=None, told="")
        self._bar.start()
