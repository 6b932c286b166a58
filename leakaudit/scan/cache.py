"""Facts that were extracted before: a SQLite file, keyed by content, safe under parallel writers, ignored when damaged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from leakaudit import __version__
from leakaudit.facts.model import FileFacts

#: Bytes of facts that the cache keeps; beyond that the longest unused go first.
MAX_BYTES = 512 * 1024 * 1024
_BATCH = 500
_DAY = 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, blob BLOB NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, key TEXT NOT NULL) WITHOUT ROWID;
"""


def default_folder() -> Path:
    """Return the user's cache folder for leakaudit."""
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(base) / "leakaudit" if base else Path.home() / ".cache" / "leakaudit"


def content_key(data: bytes) -> str:
    """Return what a file's facts are kept under: its content, leakaudit's facts code, the Python that parsed it."""
    return hashlib.blake2b(data, digest_size=16, key=_code_key()).hexdigest()


def code_version() -> str:
    """Return a short name for what decides the facts of a text: leakaudit's facts code and the Python that parses."""
    return _code_key().hex()[:12]


class Cache:
    """Maps content to facts. Every failure of the file is a miss; nothing here can make a scan fail."""

    def __init__(self, folder: Path) -> None:
        self._decoder = msgspec.msgpack.Decoder(FileFacts)
        self._encoder = msgspec.msgpack.Encoder()
        self._connection = self._open(folder)

    def _open(self, folder: Path) -> sqlite3.Connection | None:
        path = folder / "facts-1.sqlite"
        for _ in range(2):  # a damaged file is thrown away once
            try:
                folder.mkdir(parents=True, exist_ok=True)
                connection = sqlite3.connect(path, timeout=5, isolation_level=None)
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=OFF")
                connection.executescript(_SCHEMA)
            except sqlite3.DatabaseError:
                with contextlib.suppress(OSError):
                    path.unlink()
            except OSError:
                return None
            else:
                return connection
        return None

    def stamps(self) -> dict[str, tuple[str, str]]:
        """Return absolute path -> (stamp, key) of all files seen before."""
        try:
            rows = self._connection.execute("SELECT path, stamp, key FROM files") if self._connection else ()
            return {path: (stamp, key) for path, stamp, key in rows}
        except sqlite3.Error:
            return {}

    def load(self, keys: Iterable[str]) -> dict[str, FileFacts]:
        """Return the facts of those keys that are known."""
        found: dict[str, FileFacts] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            with contextlib.suppress(sqlite3.Error):
                for key, blob in self._select(part):
                    with contextlib.suppress(msgspec.MsgspecError):
                        found[key] = self._decoder.decode(blob)
        return found

    def _select(self, keys: list[str]) -> Iterable[tuple[str, bytes]]:
        if self._connection is None:
            return ()
        marks = ",".join("?" * len(keys))
        return self._connection.execute(f"SELECT key, blob FROM facts WHERE key IN ({marks})", keys)  # noqa: S608 - only question marks

    def store(self, facts: Mapping[str, FileFacts], files: Mapping[str, tuple[str, str]]) -> None:
        """Keep new facts by key, and the (stamp, key) of files by absolute path."""
        if self._connection is None or not (facts or files):
            return
        now = int(time.time())
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)",
                [(k, self._encoder.encode(f), now) for k, f in facts.items()],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?)", [(p, s, k) for p, (s, k) in files.items()]
            )
            self._connection.execute("COMMIT")
            self._trim(now)

    def _trim(self, now: int) -> None:
        connection = self._connection
        assert connection is not None
        size = connection.execute(
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        ).fetchone()[0]
        if size > MAX_BYTES:
            middle = connection.execute(
                "SELECT used FROM facts ORDER BY used LIMIT 1 OFFSET (SELECT count(*) / 2 FROM facts)"
            ).fetchone()
            connection.execute("DELETE FROM facts WHERE used <= ?", (middle[0] if middle else now - _DAY,))
            connection.execute("DELETE FROM files WHERE key NOT IN (SELECT key FROM facts)")
            connection.execute("VACUUM")

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()


def _code_key() -> bytes:
    """The version of everything that decides what facts a text gives, at most 64 bytes."""
    if not _KEY:
        folder = Path(__file__).parent.parent / "facts"
        digest = hashlib.blake2b(f"{__version__} {sys.version_info[:2]}".encode(), digest_size=32)
        for name in (
            "model",
            "expressions",
            "tables",
            "frame",
            "walk",
            "containers",
            "origins",
            "raises",
            "races", "holdings", "paths", "effects", "resources",
            "graphs",
            "extract",
        ):
            with contextlib.suppress(OSError):
                digest.update((folder / f"{name}.py").read_bytes())
        _KEY.append(digest.digest())
    return _KEY[0]


_KEY: list[bytes] = []
