"""Pass 1 over many files: facts from the cache, else extracted here or by workers."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field

from leakaudit.errors import SourceError
from leakaudit.facts.extract import extract
from leakaudit.facts.model import FileFacts
from leakaudit.findings.report import FileError
from leakaudit.scan.cache import Cache, code_version, content_key
from leakaudit.source import read_source

#: From how many files to extract on it pays to start workers.
WORTH_WORKERS = 60
_CHUNK = 16

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Collected:
    """Facts by path as given, and what could not be read."""

    facts: dict[str, FileFacts] = field(default_factory=dict)
    errors: list[FileError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a worker sends back for one file: facts, or the reason why there are none."""

    path: str
    key: str
    facts: FileFacts | None
    reason: str = ""
    line: int | None = None


def collect(
    paths: Sequence[str], cache: Cache | None, jobs: int = 1, progress: Progress | None = None
) -> Collected:
    """Return the facts of all files, asking the cache first."""
    result = Collected()
    missing = list(paths)
    stamps: dict[str, str] = {}
    if cache is not None:
        missing = _from_cache(paths, cache, result, stamps)
    done = len(paths) - len(missing)
    fresh: dict[str, FileFacts] = {}
    files: dict[str, tuple[str, str]] = {}
    for extracted in _extract_all(missing, jobs):
        done += 1
        if progress is not None:
            progress(done, len(paths))
        if extracted.facts is None:
            result.errors.append(FileError(extracted.path, extracted.reason, extracted.line))
            continue
        result.facts[extracted.path] = extracted.facts
        if cache is not None:
            fresh[extracted.key] = extracted.facts
            files[os.path.abspath(extracted.path)] = (stamps.get(extracted.path, ""), extracted.key)  # noqa: PTH100
    if cache is not None:
        cache.store(fresh, files)
    result.facts = {path: result.facts[path] for path in paths if path in result.facts}
    return result


def _from_cache(paths: Sequence[str], cache: Cache, result: Collected, stamps: dict[str, str]) -> list[str]:
    known = cache.stamps()
    keys: dict[str, str] = {}
    for path in paths:
        stamp = _stamp(path)
        stamps[path] = stamp
        before = known.get(os.path.abspath(path))  # noqa: PTH100
        if before is not None and stamp and before[0] == stamp:
            keys[path] = before[1]
    found = cache.load(keys.values())
    missing = []
    for path in paths:
        facts = found.get(keys.get(path, ""))
        if facts is None:
            missing.append(path)
        else:
            result.facts[path] = facts
    return missing


def _stamp(path: str) -> str:
    """What changes when a file does (size, modification time in ns, inode), or the code that reads it."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return ""
    return f"{code_version()}.{status.st_size}.{status.st_mtime_ns}.{status.st_ino}"


def _extract_all(paths: Sequence[str], jobs: int) -> Iterator[Extracted]:
    if jobs > 1 and len(paths) >= WORTH_WORKERS:
        with ProcessPoolExecutor(min(jobs, len(paths) // _CHUNK + 1), initializer=gc.disable) as executor:
            yield from spread(paths, executor)
        return
    enabled = gc.isenabled()
    gc.disable()  # ast makes millions of objects and no garbage cycles worth a collection
    try:
        for path in paths:
            yield extract_file(path)
    finally:
        if enabled:
            gc.enable()


def spread(paths: Sequence[str], executor: Executor) -> Iterator[Extracted]:
    """Extract through any executor; only paths go out, only facts come back."""
    chunks = [tuple(paths[i : i + _CHUNK]) for i in range(0, len(paths), _CHUNK)]
    futures = [executor.submit(extract_files, chunk) for chunk in chunks]
    try:
        for future in futures:
            yield from future.result()
    finally:
        for future in futures:  # else an interrupt would wait for all that is queued
            future.cancel()


def extract_files(paths: Sequence[str]) -> list[Extracted]:
    """Extract several files; what a worker runs."""
    return [extract_file(path) for path in paths]


def extract_file(path: str) -> Extracted:
    """Read and extract one file; a file that cannot be read is a reason, never an exception."""
    try:
        source = read_source(path)
        return Extracted(path, content_key(source.data), extract(source.text))
    except SourceError as error:
        line, reason = None, str(error)
        if error.cause.startswith("line "):
            number, _, text = error.cause[5:].partition(": ")
            with contextlib.suppress(ValueError):
                line, reason = int(number), text
        return Extracted(path, "", None, reason, line)
