"""What a scan remembers of the one before it: the files as they were, and what was found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from leakaudit.scan.cache import Cache
from leakaudit.scan.records import FileRecord, Outcome, ScanRecord, decode_outcome, encode


@dataclass(slots=True)
class Memory:
    """The record of one set of paths. `version` stands for all besides the files that decides what is found."""

    cache: Cache | None
    key: str
    version: str
    before: ScanRecord = field(init=False)
    _decoded: Outcome | None = None

    def __post_init__(self) -> None:
        found = self.cache.last_scan(self.key) if self.cache is not None else None
        self.before = found or ScanRecord(())

    @property
    def known(self) -> Mapping[str, int] | None:
        """Fingerprint -> rank of confidence of what the user was told of; None if never, or by other rules."""
        return self.before.known if self.before.version == self.version else None

    def outcome(self, files: Sequence[FileRecord]) -> Outcome | None:
        """Return what was found before, if these files are the same as then, and nothing else changed either."""
        if self.before.version != self.version or _contents(files) != _contents(self.before.files):
            return None
        self._decoded = decode_outcome(self.before.outcome)
        return self._decoded

    def keep(self, files: Sequence[FileRecord], outcome: Outcome | None, known: Mapping[str, int]) -> None:
        """Remember this scan; `outcome` None where it is not to be trusted again."""
        if self.cache is None:
            return
        with suppress(UnicodeEncodeError):  # a file's name may be no text
            blob = self.before.outcome if outcome is self._decoded else encode(outcome) if outcome else b""
            record = ScanRecord(tuple(files), self.version, blob, dict(known))
            if record != self.before:
                self.cache.keep_scan(self.key, record)


def memory_key(*parts: object) -> str:
    """Return what a scan is remembered under: where it was started, and what decides which files it reads."""
    return hashlib.blake2b(repr((os.getcwd(), *parts)).encode(), digest_size=16).hexdigest()  # noqa: PTH109


def _contents(files: Iterable[FileRecord]) -> list[tuple[str, str, str]]:
    return [(record.path, record.key, record.reason) for record in files]
