"""One run as a file, schema `leakaudit/compare/v1`: JSON Lines, written as it happens."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from leakaudit.errors import SessionError, UsageError
from leakaudit.process.compare.plan import Job

SCHEMA = "leakaudit/compare/v1"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All processes of a run at one moment: seconds since its start, their memory and their number.

    `peak` is the most that any one of them has held so far by the kernel's own account, 0 where it keeps none.
    """

    t: float
    memory: int
    processes: int
    peak: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `code` is negative for a signal; `stopped`: we ended it when its time was over, as asked.

    `last_words` is the last line that it wrote.
    """

    code: int | None
    seconds: float
    timed_out: bool = False
    stopped: bool = False
    last_words: str = ""

    def good(self, accepted: Collection[int] = (0,)) -> bool:
        """Whether it is the end of a run that counts, given the exit codes that do."""
        return self.stopped or (self.code in accepted and not self.timed_out)

    @property
    def told(self) -> str:
        """The ending in words."""
        if self.timed_out:
            return f"ran into the time limit after {self.seconds:.0f} s"
        if self.code is not None and self.code < 0:
            return f"was ended by signal {-self.code}"
        return f"ended with exit code {self.code}"


@dataclass(frozen=True, slots=True)
class Recording:
    """A run that is over. `usable`: its figures count."""

    setting: str
    repeat: int
    snapshots: tuple[Snapshot, ...]
    ending: Ending
    usable: bool = True

    @property
    def told(self) -> str:
        """How it ended, in words."""
        return self.ending.told if self.snapshots else f"{self.ending.told} before it could be sampled"


class Writer:
    """Writes one run's file, line by line."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def start(self, job: Job, every_s: float, identity: str) -> None:
        """Write what runs."""
        self._write(
            {
                "kind": "start",
                "schema": SCHEMA,
                "identity": identity,
                "setting": dict(job.setting.values),
                "repeat": job.repeat,
                "command": list(job.setting.command),
                "every_s": every_s,
            }
        )

    def snapshot(self, seen: Snapshot) -> None:
        """Write one moment."""
        self._write(
            {
                "kind": "sample",
                "t": round(seen.t, 4),
                "memory": seen.memory,
                "processes": seen.processes,
                "peak": seen.peak,
            }
        )

    def end(self, ending: Ending) -> None:
        """Write how it ended."""
        self._write(
            {
                "kind": "end",
                "code": ending.code,
                "seconds": round(ending.seconds, 4),
                "timed_out": ending.timed_out,
                "stopped": ending.stopped,
                "last_words": ending.last_words,
            }
        )

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Open a recording anew; raises UsageError if it cannot be written."""
    try:
        file = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise UsageError(f"cannot write {path} ({error.strerror})", "name another folder with -o") from error
    with file:
        yield Writer(file)


def read(path: Path, job: Job, identity: str, accepted: Collection[int] = (0,)) -> Recording | None:
    """Return a run that ended well, None if there is none; raises SessionError if it is of another job.

    `accepted` are the exit codes of a run that ended well.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SessionError(f"cannot read {path} ({error})", "name another folder with -o") from error
    try:
        records = [json.loads(line) for line in lines]
    except ValueError:
        return None  # cut off in the middle of a line
    if not records or records[-1].get("kind") != "end":
        return None
    if records[0].get("schema") != SCHEMA or records[0].get("identity") != identity:
        raise SessionError(f"{path} is the recording of another command", "name another folder with -o")
    snapshots = tuple(
        Snapshot(r["t"], r["memory"], r["processes"], r["peak"]) for r in records if r["kind"] == "sample"
    )
    ending = Ending(**{key: value for key, value in records[-1].items() if key != "kind"})
    good = ending.good(accepted) and bool(snapshots)
    return Recording(job.setting.name, job.repeat, snapshots, ending) if good else None
