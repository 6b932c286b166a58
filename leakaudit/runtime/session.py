"""The session file: everything that an audit saw, as JSON Lines, appended while it happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from leakaudit.errors import SessionError

VERSION = 1
_REMEDY = "take a session that leakaudit has written"
Record = Mapping[str, Any]


class Session:
    """Records in the order in which they came; with a path, each is in the file before the next is asked for.

    The first record is `{"record": "session", "version": 1, ...}`; see `docs/session.md` for the others. `heard` is told
    of each that is appended, in the thread that appends it.
    """

    def __init__(self, path: Path | None = None, heard: Callable[[Record], object] | None = None) -> None:
        self.records: list[Record] = []
        self._heard = heard
        self._path = path
        self._lock = threading.Lock()
        #: Why the file ends before what was seen does; empty where it does not.
        self.broken = ""
        try:
            self._file = path.open("x", encoding="utf-8") if path is not None else None
        except FileExistsError:
            raise SessionError(f"{path} exists already", "name another file, or remove it") from None
        except OSError as error:
            raise SessionError(f"{path} cannot be written: {error.strerror}", "name another file") from None

    def add(self, record: str, **fields: Any) -> None:
        """Append one record."""
        self.append({"record": record, **fields})

    def append(self, record: Record) -> None:
        """Append one record as it came."""
        self.records.append(record)
        self.keep(record)
        if self._heard is not None:
            self._heard(record)

    def keep(self, record: Record) -> None:
        """Write one record into the file, if there is one, and do not hold it in memory; any thread may call it."""
        with self._lock:
            if self._file is not None and not self._file.closed:
                try:
                    self._file.write(json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n")
                    self._file.flush()
                except OSError as error:  # a full disk, as a rule: what is seen can still be told
                    self.broken = f"{self._path} could not be written to its end: {error.strerror}"
                    self.records.append({"record": "note", "text": self.broken})
                    self._close()

    def of(self, kind: str) -> Iterator[Record]:
        """Yield the records of one kind."""
        return (record for record in self.records if record["record"] == kind)

    def first(self, kind: str) -> Record | None:
        """Return the first record of a kind, None if there is none."""
        return next(self.of(kind), None)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what was left over by a write that failed fails again
                self._file.close()

    def discard(self) -> None:
        """Close the file and take it away: there is nothing in it that could be told."""
        self.close()
        if self._path is not None and self._file is not None:
            self._path.unlink(missing_ok=True)


def read_session(path: Path) -> Session:
    """Return the session in a file; a last line that was cut off is left out. Raises SessionError."""
    session = Session()
    for number, record in enumerate(read_records(path)):
        if number == 0:
            _check_version(path, record)
        session.append(record)
    return session


def read_records(path: Path, kind: str = "record") -> list[Record]:
    """Return the records in a file of JSON Lines, whose key `kind` says what each is; raises SessionError.

    A last line that was cut off is left out.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise SessionError(f"{path} cannot be read: {error.strerror}", "check the name") from None
    if not lines:
        raise SessionError(f"{path} is empty", _REMEDY)
    records = [_parse(line, kind) for line in lines]
    if records[0] is None:
        raise SessionError(f"{path} is no session of leakaudit", _REMEDY)
    if records[-1] is None:
        records.pop()
    if None in records:
        raise SessionError(f"line {records.index(None) + 1} of {path} is damaged", _REMEDY)
    return [record for record in records if record is not None]


def _parse(line: bytes, kind: str) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get(kind), str) else None


def _check_version(path: Path, record: Record) -> None:
    version = record.get("version")
    if record["record"] != "session" or not isinstance(version, int):
        raise SessionError(f"{path} is no session of leakaudit", _REMEDY)
    if version > VERSION:
        raise SessionError(
            f"{path} has version {version}, this leakaudit reads up to {VERSION}", "use a newer leakaudit"
        )
