"""What earlier scans left: a SQLite file, safe under parallel writers, of bounded size, ignored where it is damaged."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from leakaudit.facts.model import FileFacts
from leakaudit.scan.records import ScanRecord, decode_scan, encode

#: Bytes that the cache keeps; beyond that, what was not used for the longest time goes first.
MAX_BYTES = 512 * 1024 * 1024
#: The layout; a file of another one is left alone.
LAYOUT = 2
_FILE = f"scans-{LAYOUT}.sqlite"
_BATCH = 500
_SELECT = "SELECT key, blob, used FROM facts WHERE key IN (SELECT value FROM json_each(?))"
_TOUCH = "UPDATE facts SET used = ? WHERE key IN (SELECT value FROM json_each(?))"
_TRIM = (
    "DELETE FROM facts WHERE key IN (SELECT key FROM facts ORDER BY used LIMIT (SELECT (count(*) + 1) / 2 FROM facts))",
    "DELETE FROM scans WHERE key IN (SELECT key FROM scans ORDER BY used LIMIT (SELECT (count(*) + 1) / 2 FROM scans))",
)
_SIZE = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()
"""
_DAY = 86_400
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, blob BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scans (key TEXT PRIMARY KEY, blob BLOB NOT NULL, used INTEGER NOT NULL);
PRAGMA user_version={LAYOUT};
COMMIT;
"""


def default_folder() -> Path:
    """Return the user's cache folder for leakaudit."""
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(base) / "leakaudit" if base else Path.home() / ".cache" / "leakaudit"


class Cache:
    """Maps content to facts and sets of paths to their last scan. Every failure of the file is a miss, never an error."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = folder / _FILE
        self._max_bytes = max_bytes
        self._decoder = msgspec.msgpack.Decoder(FileFacts)
        self._connection = self._open()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection | None:
        for _ in range(2):
            with self._guarded():
                return self._connect()
            if self._path.exists():  # not damaged, but locked, or not ours to read
                return None
        return None

    def _connect(self) -> sqlite3.Connection | None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=5, isolation_level=None)
        layout = connection.execute("PRAGMA user_version").fetchone()[0]
        if layout not in (0, LAYOUT):
            connection.close()
            return None
        connection.execute("PRAGMA synchronous=OFF")
        if layout == 0:
            with contextlib.suppress(sqlite3.OperationalError):  # somebody else makes the file just now
                connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_SCHEMA)
        return connection

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Go on without what the file cannot give; drop the file if it is no database, or a broken one."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if type(error) is sqlite3.DatabaseError:  # its subclasses mean locks, full disks and the like
                self._drop()

    def _drop(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                Path(f"{self._path}{suffix}").unlink()

    # -- scans ------------------------------------------------------------------------------------------------------

    def last_scan(self, key: str) -> ScanRecord | None:
        """Return what the last scan under this key left."""
        with self._guarded():
            for (blob,) in self._rows("SELECT blob FROM scans WHERE key = ?", (key,)):
                return decode_scan(blob)
        return None

    def keep_scan(self, key: str, record: ScanRecord) -> None:
        """Keep what a scan leaves."""
        with self._guarded():
            self._rows("INSERT OR REPLACE INTO scans VALUES (?, ?, ?)", (key, encode(record), _now()))

    # -- facts ------------------------------------------------------------------------------------------------------

    @property
    def holds_facts(self) -> bool:
        """Tell whether there are any."""
        with self._guarded():
            return bool(list(self._rows("SELECT 1 FROM facts LIMIT 1")))
        return False

    def load(self, keys: Iterable[str]) -> dict[str, FileFacts]:
        """Return the facts of those keys that are known."""
        found: dict[str, FileFacts] = {}
        with self._guarded():
            for key, blob in self._select(keys):
                with contextlib.suppress(msgspec.MsgspecError):
                    found[key] = self._decoder.decode(blob)
        return found

    def _select(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        wanted = list(dict.fromkeys(filter(None, keys)))
        stale = _now() - _DAY
        for start in range(0, len(wanted), _BATCH):
            rows = list(self._rows(_SELECT, (json.dumps(wanted[start : start + _BATCH]),)))
            yield from ((key, blob) for key, blob, _ in rows)
            self._touch([key for key, _, used in rows if used < stale])

    def _touch(self, keys: list[str]) -> None:
        if keys:
            with contextlib.suppress(sqlite3.OperationalError):  # somebody else writes just now
                self._rows(_TOUCH, (_now(), json.dumps(keys)))

    def store(self, facts: Mapping[str, bytes]) -> None:
        """Keep encoded facts by key."""
        if self._connection is None or not facts:
            return
        with self._guarded():
            now = _now()
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", [(k, blob, now) for k, blob in facts.items()]
            )
            self._connection.execute("COMMIT")

    def _rows(self, statement: str, values: Iterable[object] = ()) -> Iterable[tuple[Any, ...]]:
        return self._connection.execute(statement, tuple(values)) if self._connection is not None else ()

    def _trim(self) -> None:
        """Drop the older half, as often as it takes; pages that come free are used again."""
        size = self._size()
        while size > self._max_bytes:
            before = size
            for statement in _TRIM:
                self._rows(statement)
            size = self._size()
            if size >= before:
                return

    def _size(self) -> int:
        return next((size for (size,) in self._rows(_SIZE)), 0)

    def close(self) -> None:
        """Let go of the file, cut back to its size."""
        with self._guarded():
            self._trim()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _now() -> int:
    return int(time.time())
