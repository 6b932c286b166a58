"""Run one job in a process group of its own, and sample all its processes until it ends."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leakaudit.errors import UsageError
from leakaudit.process.compare.matrix import Setting
from leakaudit.process.compare.orphans import adopting
from leakaudit.process.compare.recording import Ending, Snapshot
from leakaudit.process.compare.tree import FIGURES, Tree, end

PATIENCE_S = 3.0  # between SIGTERM and SIGKILL
TAIL = 8192


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds between samples; after which a run has failed; after which it is stopped and counts. `memory`: rss, pss."""

    every_s: float
    timeout_s: float | None = None
    for_s: float | None = None
    memory: str = "rss"

    @property
    def enough(self) -> bool:
        """Whether a run that is ended by us counts."""
        return self.for_s is not None and (self.timeout_s is None or self.for_s <= self.timeout_s)


def execute(setting: Setting, limits: Limits, log: Path, record: Callable[[Snapshot], None]) -> Ending:
    """Run a setting's command to its end, its output in `log`; raises UsageError if it cannot be started.

    Nothing that it started is left when this returns or raises.
    """
    with log.open("wb") as output, adopting():
        process = _start(setting, output.fileno())
        started = time.monotonic()
        tree = Tree(process.pid, FIGURES[limits.memory])
        try:
            over = _follow(process, tree, limits, record)
        finally:
            seconds = time.monotonic() - started
            end(tree, PATIENCE_S)
            process.wait()
    timed_out = over and not limits.enough
    return Ending(
        code=process.returncode,
        seconds=seconds,
        timed_out=timed_out,
        stopped=over and not timed_out,
        last_words=last_words(log),
    )


def _start(setting: Setting, output: int) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    for name, value in setting.environment:
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    try:
        return subprocess.Popen(
            setting.command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(
            f"cannot run {setting.command[0]} ({error.strerror})", "give the command as a shell would find it"
        ) from error


def _follow(
    process: subprocess.Popen[bytes], tree: Tree, limits: Limits, record: Callable[[Snapshot], None]
) -> bool:
    """Sample until the process has ended (False) or its time is over (True)."""
    started = due = time.monotonic()
    stop_at = started + min(limits.timeout_s or float("inf"), limits.for_s or float("inf"))
    while True:
        memory, processes, peak = tree.look()
        now = time.monotonic()
        if memory:  # none is left between a process's exit and its being reaped
            record(Snapshot(now - started, memory, processes, peak))
        due = max(due + limits.every_s, now)
        try:
            process.wait(max(0.0, min(due, stop_at) - now))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= stop_at:
                return True
        else:
            return False


def last_words(log: Path) -> str:
    """Return the last line of a file that is not blank, at most 300 characters of it."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else ""
