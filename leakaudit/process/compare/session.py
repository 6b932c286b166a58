"""Carry out a comparison: what is recorded already is kept, the rest is run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leakaudit.errors import UsageError
from leakaudit.process.compare import recording
from leakaudit.process.compare.execute import Limits, execute
from leakaudit.process.compare.matrix import Setting
from leakaudit.process.compare.plan import Job, interleaved
from leakaudit.process.compare.recording import Recording, Snapshot

#: Told before each run: the job, how many are done, how many there are.
Tell = Callable[[Job, int, int], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was asked for. `folder` keeps one recording and one log for each run.

    `accepted` are the exit codes of a run that counts.
    """

    settings: tuple[Setting, ...]
    repeats: int
    limits: Limits
    folder: Path
    accepted: tuple[int, ...] = (0,)


def carry_out(comparison: Comparison, tell: Tell = lambda *_: None) -> tuple[Recording, ...]:
    """Return one recording per setting and repeat, in the order in which they ran.

    A run that ended well is not repeated if its file is in the folder. Raises UsageError if the folder cannot be
    written, or the command not be started; SessionError if the folder holds runs of another command.
    """
    folder = comparison.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {folder} ({error.strerror})", "name another folder with -o") from error
    jobs = tuple(interleaved(comparison.settings, comparison.repeats))
    known = {
        job: _known(job, comparison) for job in jobs
    }  # all are read first: a foreign folder stops us early
    found = []
    for done, job in enumerate(jobs):
        tell(job, done, len(jobs))
        found.append(known[job] or _run(job, comparison))
    return tuple(found)


def identity(setting: Setting, limits: Limits) -> str:
    """Return what makes two runs the same job: the command, its environment, what is measured, and for how long."""
    what = (setting.command, setting.environment, limits.memory, limits.for_s)
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _known(job: Job, comparison: Comparison) -> Recording | None:
    path = comparison.folder / f"{job.stem}.jsonl"
    return recording.read(path, job, identity(job.setting, comparison.limits), comparison.accepted)


def _run(job: Job, comparison: Comparison) -> Recording:
    limits = comparison.limits
    seen: list[Snapshot] = []
    with recording.writing(comparison.folder / f"{job.stem}.jsonl") as writer:
        writer.start(job, limits.every_s, identity(job.setting, limits))

        def record(snapshot: Snapshot) -> None:
            seen.append(snapshot)
            writer.snapshot(snapshot)

        ending = execute(job.setting, limits, comparison.folder / f"{job.stem}.log", record)
        writer.end(ending)
    usable = ending.good(comparison.accepted) and bool(seen)
    return Recording(job.setting.name, job.repeat, tuple(seen), ending, usable)
