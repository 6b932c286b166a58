"""Mend what findings speak of: ask their rules for fixes, apply them, and scan again to see that it helped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from leakaudit.errors import SourceError
from leakaudit.facts.extract import extract
from leakaudit.facts.model import FileFacts
from leakaudit.findings import Finding, Fix
from leakaudit.findings.report import FileError, Report
from leakaudit.scan.api import Scan, again
from leakaudit.scan.edits import apply, overlap
from leakaudit.scan.loader import failure_of
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Rule
from leakaudit.source import SourceFile, decode

#: Fixes that touch each other wait for the next round; more rounds than this mean that they breed.
MOST_ROUNDS = 10

Decide = Callable[[Scan], Report]
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One file before and after."""

    before: SourceFile
    after: SourceFile


@dataclass(frozen=True, slots=True)
class Mended:
    """The report of what is left, with `fixed` set and the fixes that are still on offer, and the files changed."""

    report: Report
    changes: tuple[Change, ...]


def mend(
    scan: Scan, decide: Decide, *, unsafe: bool = False, opened: Mapping[str, SourceFile] | None = None
) -> Mended:
    """Apply the fixes of the shown findings, in memory; only the safe ones unless `unsafe`.

    `decide` tells which findings of a scan are shown; `opened` are files whose text is not that on the disk. A fix
    stays only if its finding is gone after it and no other one has come.
    """
    work = _Work(scan, decide, sources=dict(opened or {}))
    offers = work.offers()
    for _ in range(MOST_ROUNDS):
        chosen = [item for item in offers if item.fix and (item.fix.safe or unsafe)]
        if not chosen:
            break
        work.attempt(chosen)
        offers = work.offers()
    by_key = {_key(item): item for item in offers}
    findings = tuple(by_key.get(_key(item), item) for item in work.report.findings)
    errors = (*work.report.errors, *work.errors)
    report = replace(work.report, findings=findings, fixed=tuple(work.fixed), errors=errors)
    changed = ((work.first.get(path, now), now) for path, now in work.sources.items())
    return Mended(report, tuple(Change(before, now) for before, now in changed if before is not now))


@dataclass(slots=True)
class _Work:
    """The state between rounds: the scan so far, the files changed, what did not help."""

    scan: Scan
    decide: Decide
    report: Report = field(init=False)
    sources: dict[str, SourceFile] = field(default_factory=dict)
    first: dict[str, SourceFile] = field(default_factory=dict)
    fixed: list[Finding] = field(default_factory=list)
    refused: set[_Key] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    errors: list[FileError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.report = self.decide(self.scan)

    def offers(self) -> list[Finding]:
        """Return the shown findings that have a fix, which is set."""
        rules = {rule.code: rule for rule in self.scan.basis.rules}
        modules: dict[str, Module] = {}
        named = frozenset(self.scan.files)
        found = []
        for finding in self.report.shown:
            path = finding.location.path
            if path in named and _key(finding) not in self.refused:
                module = modules.setdefault(path, Module(path, self.sources.get(path)))
                fix = self._fix(rules[finding.rule], finding, module)
                if fix is not None:
                    self.first.setdefault(path, module.source)
                    found.append(replace(finding, fix=fix))
        return found

    def _fix(self, rule: Rule, finding: Finding, module: Module) -> Fix | None:
        try:
            return rule.fix(finding, module)
        except SourceError:  # LibCST is stricter than CPython
            return None
        except Exception as error:  # a rule is foreign code; the others go on
            self.refused.add(_key(finding))
            self.errors.append(failure_of(rule, error, module.path))
            return None

    def attempt(self, chosen: Iterable[Finding]) -> None:
        """Apply what does not overlap, scan again, and take back what did not help."""
        batches = {path: self._compatible(path, items) for path, items in _by_path(chosen).items()}
        sources, facts = self._applied(batches)
        shown = _by_path(self.report.shown)
        trial = again(self.scan, facts, {**self.sources, **sources})
        left = _by_path(self.decide(trial).shown)
        good = [path for path in sources if _helped(batches[path], shown.get(path, []), left.get(path, []))]
        for path, batch in batches.items():
            if path in good:
                self.fixed += batch
            elif len(batch) > 1:
                self.alone.add(path)
            else:
                self.refused.add(_key(batch[0]))
        self.sources.update({path: sources[path] for path in good})
        everything = len(good) == len(sources)
        kept = {path: facts[path] for path in good}
        self.scan = trial if everything else again(self.scan, kept, self.sources)
        self.report = self.decide(self.scan)

    def _compatible(self, path: str, items: list[Finding]) -> list[Finding]:
        batch = items[:1]
        for item in items[1:] if path not in self.alone else ():
            if not any(overlap(_edits(item), _edits(other)) for other in batch):
                batch.append(item)
        return batch

    def _applied(
        self, batches: Mapping[str, list[Finding]]
    ) -> tuple[dict[str, SourceFile], dict[str, FileFacts]]:
        """Return the files after their fixes, with their facts; a file that no longer parses is left out."""
        sources, facts = {}, {}
        for path, batch in batches.items():
            before = self.sources.get(path) or self.first[path]
            data = apply(before, (edit for item in batch for edit in _edits(item)))
            try:
                after = SourceFile(path, data, decode(data))
                facts[path] = extract(after.text)
            except SourceError:
                continue
            sources[path] = after
        return sources, facts


def _helped(batch: list[Finding], before: list[Finding], after: list[Finding]) -> bool:
    """Tell whether the findings of a batch are gone from a file, and no other one has come."""
    left = [_key(item) for item in after]
    old = [_key(item) for item in before]
    for item in batch:
        old.remove(_key(item))
    return all(left.count(key) <= old.count(key) for key in left)


def _by_path(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for item in findings:
        found.setdefault(item.location.path, []).append(item)
    return found


def _edits(finding: Finding) -> tuple[tuple[int, int, str], ...]:
    assert finding.fix is not None
    return finding.fix.edits


def _key(finding: Finding) -> _Key:
    return finding.location.path, finding.fingerprint
