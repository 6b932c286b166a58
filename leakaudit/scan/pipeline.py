"""Pass 1 over many files: facts from the cache, else extracted here or by workers."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leakaudit.facts.linking.sharing import share
from leakaudit.facts.model import FileFacts
from leakaudit.findings.report import FileError
from leakaudit.scan.cache import Cache
from leakaudit.scan.records import FileRecord
from leakaudit.scan.versions import facts_version, key_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from leakaudit.scan.extraction import Extracted

#: From how many files to extract on it pays to start processes.
WORTH_WORKERS = 60
#: From how many files on it pays to let their facts share what is equal.
MANY_FILES = 4000
_CHUNK = 16
_ASKED_AT_ONCE = _STORED_AT_ONCE = 1000
#: A file that was changed less than this before it is looked at may change again without a new time stamp.
_RECENT_NS = 2_000_000_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Workers:
    """Who extracts: any executor, else up to `jobs` processes of our own where the work is worth them."""

    jobs: int = 1
    executor: Executor | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """Facts by path, in the order of the records, which stand for the files in the next scan."""

    facts: dict[str, FileFacts] = field(default_factory=dict)
    records: tuple[FileRecord, ...] = ()


def errors_of(records: Iterable[FileRecord]) -> tuple[FileError, ...]:
    """Return the files that have no facts, and why."""
    return tuple(FileError(r.path, r.reason, r.line) for r in records if r.reason)


def survey(
    paths: Iterable[str], before: Iterable[FileRecord] = (), by_content: bool = False
) -> tuple[FileRecord, ...]:
    """Return a record for each file: the one from before where the stamp is the same, else a new one.

    A new one has no key, unless the files are to be told apart `by_content`.
    """
    known = {record.path: record for record in before}
    contents = {record.key: record for record in known.values()} if by_content else {}
    now = time.time_ns()
    found = []
    for path in paths:
        stamp = _stamp(path, now)
        record = known.get(path)
        if record is None or not stamp or record.stamp != stamp:
            key = key_of(path) if by_content else ""
            same = contents.get(key) if key else None
            record = FileRecord(path, stamp, key, *((same.lines, same.reason, same.line) if same else ()))
        found.append(record)
    return tuple(found)


def _stamp(path: str, now: int) -> str:
    """What changes when a file does: size, modification time, inode; and the code that reads it."""
    try:
        status = os.stat(path)  # noqa: PTH116  a Path per file costs more than the call
    except OSError:
        return ""
    if now - status.st_mtime_ns < _RECENT_NS:
        return ""
    return f"{facts_version()}.{status.st_size:x}.{status.st_mtime_ns:x}.{status.st_ino:x}"


def collect(
    records: Sequence[FileRecord],
    cache: Cache | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Collected:
    """Return the facts of all files, asking the cache first."""
    collection = _Collection({record.path: record for record in records})
    if cache is not None:
        collection.ask(cache)
    missing = collection.missing()
    done, total = len(records) - len(missing), len(records)
    for extracted, path in zip(_extract_all(missing, workers or Workers()), missing):
        collection.add(path, extracted, cache)
        done += 1
        if progress is not None:
            progress(done, total)
    if cache is not None:
        cache.store(collection.fresh)
    return collection.collected()


@dataclass(slots=True)
class _Collection:
    """The state of one `collect`: the records so far, the facts found, and those that the cache has yet to take."""

    records: dict[str, FileRecord]
    facts: dict[str, FileFacts] = field(default_factory=dict)
    fresh: dict[str, bytes] = field(default_factory=dict)
    pool: dict[Any, Any] = field(default_factory=dict)

    def ask(self, cache: Cache) -> None:
        """Take from the cache what it has."""
        asked = [record for record in self.records.values() if record.key and not record.reason]
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            part = asked[start : start + _ASKED_AT_ONCE]
            found = cache.load(record.key for record in part)
            for record in part:
                if record.key in found:
                    self._put(record.path, record.key, found[record.key])

    def missing(self) -> list[str]:
        """The files that have to be extracted."""
        return [path for path, r in self.records.items() if path not in self.facts and not r.reason]

    def add(self, path: str, extracted: Extracted, cache: Cache | None) -> None:
        """Take what was extracted from a file."""
        if extracted.facts is not None:
            self._put(path, extracted.key, extracted.facts)
            if cache is not None:
                self.fresh[extracted.key] = extracted.encoded()
            if cache is not None and len(self.fresh) >= _STORED_AT_ONCE:
                cache.store(self.fresh)
                self.fresh = {}
        else:
            stamp = self.records[path].stamp if extracted.key else ""  # no content, no promise
            self.records[path] = FileRecord(path, stamp, extracted.key, 0, extracted.reason, extracted.line)

    def collected(self) -> Collected:
        """Return it all, in the order asked."""
        facts = {path: self.facts[path] for path in self.records if path in self.facts}
        return Collected(facts, tuple(self.records.values()))

    def _put(self, path: str, key: str, facts: FileFacts) -> None:
        if len(self.records) > MANY_FILES:
            share(facts, self.pool)
        self.facts[path] = facts
        self.records[path] = FileRecord(path, self.records[path].stamp, key, facts.lines)


def _extract_all(paths: Sequence[str], workers: Workers) -> Iterator[Extracted]:
    if not paths:
        return
    from leakaudit.scan.extraction import (
        extract_each,
    )  # with all that walks a tree: most scans read nothing new

    if workers.executor is not None:
        yield from spread(paths, workers.executor)
    elif workers.jobs > 1 and len(paths) >= WORTH_WORKERS:
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(min(workers.jobs, len(paths) // _CHUNK + 1)) as executor:
            yield from spread(paths, executor)
    else:
        yield from extract_each(paths)


def spread(paths: Sequence[str], executor: Executor) -> Iterator[Extracted]:
    """Extract through any executor; only paths go out, only facts come back."""
    from concurrent.futures import BrokenExecutor

    from leakaudit.scan.extraction import extract_each, extract_for_sender, received

    chunks = [tuple(paths[start : start + _CHUNK]) for start in range(0, len(paths), _CHUNK)]
    pending = deque(
        (chunk, executor.submit(extract_for_sender, tuple(map(os.path.abspath, chunk)), facts_version()))
        for chunk in chunks
    )
    try:
        while pending:
            chunk, future = pending.popleft()
            try:
                messages = future.result()
            except BrokenExecutor:  # a worker was killed, most likely for its memory: one process needs less
                yield from extract_each(chunk)
            else:
                yield from map(received, messages)
    finally:
        for _, future in pending:  # else an interrupt would wait for all that is queued
            future.cancel()
