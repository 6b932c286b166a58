"""Scan paths: discover, facts, link, rules, findings. What the command line, the runtime half and tests call."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from leakaudit.errors import UsageError
from leakaudit.facts.custom import Tables
from leakaudit.facts.model import FileFacts
from leakaudit.findings import Confidence, Finding
from leakaudit.findings.report import FileError, Report
from leakaudit.findings.suppression import Comment
from leakaudit.scan.cache import Cache, default_folder
from leakaudit.scan.demotion import Demotion
from leakaudit.scan.focus import Focus, focus_on, is_new, told
from leakaudit.scan.limits import without_collections
from leakaudit.scan.loader import builtin_rules_dir, load_rules
from leakaudit.scan.memory import Memory, memory_key
from leakaudit.scan.pipeline import Workers, collect, errors_of, survey
from leakaudit.scan.records import FileRecord, Outcome
from leakaudit.scan.rule import Rule
from leakaudit.scan.run import Basis, run_rules
from leakaudit.scan.selection import select_rules
from leakaudit.scan.versions import findings_version
from leakaudit.source import Discovery, SourceFile, discover

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["Basis", "Scan", "ScanOptions", "again", "examine", "run_rules", "scan", "scan_source"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What to scan for and how. `cache_dir` None means the user's own.

    `jobs` 0 means as many processes as there are cores; an `executor` takes their place. Unless `alone`, files that
    are named are linked with the project around them. `loaded` are the rules, where the caller has them already.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    rules_dirs: tuple[str, ...] = ()
    jobs: int = 0
    cache: bool = True
    cache_dir: str | None = None
    tables: Tables = field(default_factory=Tables)
    root: str = "."
    confidence: Confidence = Confidence.LOW  # findings below it are not confirmed, nor returned
    executor: Executor | None = None
    alone: bool = False
    loaded: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan's report (nothing suppressed yet), with the facts and the basis that it was made of.

    `outcome` is what was found in all files, `focus` tells which of it concerns the user; None where all does.
    """

    report: Report
    facts: Mapping[str, FileFacts]
    basis: Basis
    nothing_asked: bool = False
    focus: Focus | None = None
    outcome: Outcome | None = None

    @property
    def comments(self) -> Mapping[str, tuple[Comment, ...]]:
        """The leakaudit comments of each file that has some."""
        comments = self.outcome.comments if self.outcome is not None else _comments(self.facts)
        return self.focus.comments(comments, self.report.findings) if self.focus is not None else comments

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were audited."""
        return self.focus.named if self.focus is not None else tuple(self.facts)


def scan(
    paths: Sequence[str | Path], options: ScanOptions | None = None, progress: Progress | None = None
) -> Report:
    """Return all findings of the files under `paths`; raises UsageError when there is no Python file."""
    return examine(paths, options, progress).report


def examine(
    paths: Sequence[str | Path], options: ScanOptions | None = None, progress: Progress | None = None
) -> Scan:
    """Scan, and return the report with what decides the findings' fate."""
    started = time.perf_counter()
    options = options or ScanOptions()
    given = [os.fspath(path) for path in paths]
    rules = select_rules(options.loaded or load_rules(options.rules_dirs), options.select, options.ignore)
    found = discover(given, options.exclude, options.force_exclude, options.root)
    if not found.files and not found.errors:
        _refuse_nothing(given, found, options)
    focus = focus_on(found.files) if found.files and not (found.walked or options.alone) else None
    basis = Basis(rules, Demotion(given, options.root), options.confidence, options.tables)
    with without_collections(), _open_cache(options) as cache:
        files = found.files if focus is None else focus.whole(options.exclude, options.root)
        memory = Memory(cache, _key(given, focus, options), _version(basis, options))
        seen = _look(files, memory, basis, options, progress)
        known = told(seen.outcome.findings, memory.known, focus)
        memory.keep(seen.records, None if seen.errors else seen.outcome, known)
    done = _scan(seen, basis, focus, memory.known)
    errors = (*found.errors, *done.report.errors)
    report = replace(done.report, errors=errors, seconds=time.perf_counter() - started)
    return replace(done, report=report, nothing_asked=found.nothing_asked)


def _refuse_nothing(given: Sequence[str], found: Discovery, options: ScanOptions) -> None:
    """Raise UsageError, as nothing to scan is not a clean scan; but a hook passes whatever was changed."""
    if found.walked:
        less = ", or exclude less" if options.exclude else ""
        raise UsageError(
            f"no Python files under {', '.join(given)}", f"name a folder or file that holds some{less}"
        )
    if not options.force_exclude:
        raise UsageError(
            f"{', '.join(found.ignored)}: not Python source", "name .py files; a hook adds --force-exclude"
        )


def again(before: Scan, facts: Mapping[str, FileFacts], sources: Mapping[str, SourceFile]) -> Scan:
    """Scan once more with other facts for some files, whose `sources` may stand nowhere but here."""
    merged = {**before.facts, **facts}
    findings, _ = run_rules(merged, before.basis, sources)
    if before.focus is not None:
        told_before = {(f.location.path, f.fingerprint) for f in before.report.findings}
        findings = [
            f for f in findings if before.focus.concerns(f) or (f.location.path, f.fingerprint) in told_before
        ]
    lines = sum(merged[path].lines for path in before.files if path in merged)
    report = replace(before.report, findings=tuple(findings), lines=lines)
    return replace(before, report=report, facts=merged, outcome=None)


def scan_source(files: Mapping[str, str], rules: Iterable[Rule] | None = None) -> tuple[Finding, ...]:
    """Return the findings of sources given as path -> text: the seam for tests and tools; raises SourceError."""
    from leakaudit.facts.extract import extract

    facts = {path: extract(text) for path, text in files.items()}
    sources = {path: SourceFile(path, text.encode(), text) for path, text in files.items()}
    ran = tuple(rules) if rules is not None else load_rules()
    return tuple(run_rules(facts, Basis(ran), sources)[0])


# -- one scan -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found in all files, and the rules that failed on them."""

    records: tuple[FileRecord, ...]
    facts: Mapping[str, FileFacts]
    outcome: Outcome
    errors: tuple[FileError, ...] = ()


def _look(
    files: Sequence[str], memory: Memory, basis: Basis, options: ScanOptions, progress: Progress | None
) -> _Seen:
    """Look at all files, unless they and everything else are as they were the last time."""
    cache, before = memory.cache, memory.before.files
    records = survey(files, before, by_content=cache is not None and (bool(before) or cache.holds_facts))
    outcome = memory.outcome(records)
    if outcome is not None:
        return _Seen(records, _Later(records, options), outcome)
    collected = collect(records, cache, Workers(options.jobs or _cores(), options.executor), progress)
    findings, errors = run_rules(collected.facts, basis)
    outcome = Outcome(tuple(findings), _comments(collected.facts))
    return _Seen(collected.records, collected.facts, outcome, tuple(errors))


def _scan(seen: _Seen, basis: Basis, focus: Focus | None, known: Mapping[str, int] | None) -> Scan:
    """Tell what concerns the user."""
    findings, records = seen.outcome.findings, seen.records
    if focus is not None:
        findings = tuple(f for f in findings if focus.concerns(f) or is_new(f, known))
        named = frozenset(focus.named)
        records = tuple(record for record in records if record.path in named)
    read = [record for record in records if not record.reason]
    report = Report(
        kind="scan",
        findings=findings,
        errors=(*errors_of(records), *seen.errors),
        files=len(read),
        lines=sum(record.lines for record in read),
    )
    return Scan(report, seen.facts, basis, focus=focus, outcome=seen.outcome)


@contextlib.contextmanager
def _open_cache(options: ScanOptions) -> Iterator[Cache | None]:
    if not options.cache:
        yield None
        return
    with Cache(Path(options.cache_dir) if options.cache_dir else default_folder()) as cache:
        yield cache


def _key(given: Sequence[str], focus: Focus | None, options: ScanOptions) -> str:
    """Named files and the folder of their project are one set of paths."""
    roots = tuple(given) if focus is None else (focus.root,)
    return memory_key(roots, options.exclude, options.force_exclude and focus is None, options.root)


def _version(basis: Basis, options: ScanOptions) -> str:
    folders = (builtin_rules_dir(), *map(Path, options.rules_dirs))
    codes = " ".join(rule.code for rule in basis.rules)
    return f"{findings_version(folders)} {codes} {basis.least.value} {basis.tables}"


def _comments(facts: Mapping[str, FileFacts]) -> dict[str, tuple[Comment, ...]]:
    return {path: found.comments for path, found in facts.items() if found.comments}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Later(Mapping[str, FileFacts]):
    """Facts that are loaded when somebody looks at one: most scans in which nothing changed never do."""

    def __init__(self, records: Sequence[FileRecord], options: ScanOptions) -> None:
        self._records = [record for record in records if not record.reason]
        self._options = options

    @cached_property
    def _facts(self) -> Mapping[str, FileFacts]:
        with _open_cache(self._options) as cache:
            return collect(self._records, cache, Workers(1, self._options.executor)).facts

    def __getitem__(self, path: str) -> FileFacts:
        return self._facts[path]

    def __iter__(self) -> Iterator[str]:
        return (record.path for record in self._records)

    def __len__(self) -> int:
        return len(self._records)
