"""Scan paths: discover, facts, link, rules, findings. What the command line, the runtime half and tests call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from leakaudit.errors import UsageError
from leakaudit.facts.custom import Tables
from leakaudit.facts.model import FileFacts
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Finding
from leakaudit.findings.report import FileError, Report
from leakaudit.findings.suppression import Comment
from leakaudit.scan.cache import Cache, default_folder
from leakaudit.scan.demotion import Demotion
from leakaudit.scan.loader import blaming, load_rules
from leakaudit.scan.pipeline import collect
from leakaudit.scan.rule import Rule
from leakaudit.scan.selection import select_rules
from leakaudit.scan.suspects import Inquiry
from leakaudit.source import SourceFile, discover


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What to scan for and how. `jobs` 0 means as many as there are cores; `cache_dir` None means the user's own."""

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


@dataclass(frozen=True, slots=True)
class Basis:
    """What turns facts into findings; those below `least` are neither confirmed nor returned."""

    rules: Sequence[Rule]
    demotion: Demotion = field(default_factory=Demotion)
    least: Confidence = Confidence.LOW
    tables: Tables = field(default_factory=Tables)


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan's report (nothing suppressed yet), with the facts and the basis that it was made of."""

    report: Report
    facts: Mapping[str, FileFacts]
    basis: Basis
    nothing_asked: bool = False

    @property
    def comments(self) -> Mapping[str, tuple[Comment, ...]]:
        """The leakaudit comments of each file that has some."""
        return {path: facts.comments for path, facts in self.facts.items() if facts.comments}

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were read."""
        return tuple(self.facts)


def scan(
    paths: Sequence[str | Path],
    options: ScanOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Return all findings of the files under `paths`; raises UsageError when there is no Python file."""
    return examine(paths, options, progress).report


def examine(
    paths: Sequence[str | Path],
    options: ScanOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Scan, and return the report with what decides the findings' fate."""
    started = time.perf_counter()
    options = options or ScanOptions()
    rules = select_rules(load_rules(options.rules_dirs), options.select, options.ignore)
    found = discover([os.fspath(p) for p in paths], options.exclude, options.force_exclude, options.root)
    if not found.files and not found.errors and not found.nothing_asked:
        raise UsageError(
            f"no Python files under {', '.join(map(str, paths))}", "name a folder or file that holds some"
        )
    cache = (
        Cache(Path(options.cache_dir) if options.cache_dir else default_folder()) if options.cache else None
    )
    try:
        collected = collect(found.files, cache, options.jobs or os.cpu_count() or 1, progress)
    finally:
        if cache is not None:
            cache.close()
    basis = Basis(
        rules, Demotion([os.fspath(p) for p in paths], options.root), options.confidence, options.tables
    )
    findings, rule_errors = run_rules(collected.facts, basis)
    report = Report(
        kind="scan",
        findings=tuple(findings),
        errors=(*found.errors, *collected.errors, *rule_errors),
        files=len(collected.facts),
        lines=sum(f.lines for f in collected.facts.values()),
        seconds=time.perf_counter() - started,
    )
    return Scan(report, collected.facts, basis, found.nothing_asked)


def again(before: Scan, facts: Mapping[str, FileFacts], sources: Mapping[str, SourceFile]) -> Scan:
    """Scan once more with other facts for some files, whose `sources` may stand nowhere but here."""
    merged = {**before.facts, **facts}
    findings, _ = run_rules(merged, before.basis, sources)
    lines = sum(f.lines for f in merged.values())
    report = replace(before.report, findings=tuple(findings), lines=lines)
    return replace(before, report=report, facts=merged)


def scan_source(files: Mapping[str, str], rules: Iterable[Rule] | None = None) -> tuple[Finding, ...]:
    """Return the findings of sources given as path -> text: the seam for tests and tools; raises SourceError."""
    from leakaudit.facts.extract import extract

    facts = {path: extract(text) for path, text in files.items()}
    sources = {path: SourceFile(path, text.encode(), text) for path, text in files.items()}
    ran = tuple(rules) if rules is not None else load_rules()
    return tuple(run_rules(facts, Basis(ran), sources)[0])


def run_rules(
    facts: Mapping[str, FileFacts],
    basis: Basis,
    sources: Mapping[str, SourceFile] | None = None,
) -> tuple[list[Finding], list[FileError]]:
    """Link the facts, ask every rule for suspects, and let it check those that are sure enough to be shown."""
    inquiry = Inquiry(Project(facts, basis.tables), basis.rules, sources)
    findings: list[Finding] = []
    general = {rule.code for rule in basis.rules if rule.general}
    for rule, raw, module in inquiry:
        suspect = basis.demotion.apply(raw, facts[module.path].generated)
        if suspect.confidence.rank < basis.least.rank:
            continue
        with blaming(rule, module.path):
            finding = rule.check(suspect, module)
        if finding is not None:
            findings.append(finding)
    specific = {(f.location.path, f.symbol) for f in findings if f.rule not in general}
    findings = [f for f in findings if f.rule not in general or (f.location.path, f.symbol) not in specific]
    findings.sort(key=lambda f: (f.location.path, f.location.line, f.location.column, f.rule, f.symbol))
    return findings, inquiry.errors
