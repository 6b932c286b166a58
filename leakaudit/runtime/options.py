"""How an audit is asked for, and how its session begins."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import leakaudit
from leakaudit.findings.model import Confidence

if TYPE_CHECKING:
    from leakaudit.runtime.session import Session


class Progress(Protocol):
    """Is told where an audit stands: the phase, and how many of how many seconds or steps are done."""

    def __call__(self, phase: str, done: float, total: float) -> None:
        """Take note."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to audit. `source` overrides what is scanned; `interval_s` 0 picks one that suits the duration.
    `budget` is a name and bytes that the target should not exceed.

    With `dependencies`, what the target has loaded of installed packages is scanned too; without `needs_source`, a
    target that has loaded no source of its own is audited for what no finding explains. `passive` stays outside: no code in the target, no stop.
    """

    duration_s: float = 60.0
    interval_s: float = 0.0
    source: tuple[Path, ...] = ()
    dependencies: bool = False
    method: str = "auto"
    pause_budget_ms: float = 10.0
    session: Path | None = None
    budget: tuple[str, float] | None = None
    reclaim: bool = False
    threshold: Confidence = Confidence.MEDIUM
    needs_source: bool = True
    passive: bool = False

    @property
    def pace_s(self) -> float:
        """Seconds from sample to sample."""
        return self.interval_s or min(5.0, max(0.5, self.duration_s / 20))


def begin(session: Session, pid: int, command: Sequence[str], options: Options) -> None:
    """Write a session's first record."""
    session.add(
        "session",
        version=1,
        tool=f"leakaudit {leakaudit.__version__}",
        started=time.time(),
        host=platform.node(),
        pid=pid,
        command=" ".join(command),
        interval_s=options.pace_s,
        duration_s=options.duration_s,
        threshold=options.threshold.value,
    )
