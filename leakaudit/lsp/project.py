"""A project under edit: the last scan of its files, and what changes in it with every edit of a buffer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from leakaudit.errors import SourceError
from leakaudit.facts.extract import extract
from leakaudit.facts.model import FileFacts
from leakaudit.findings import Finding, baseline
from leakaudit.findings.report import Report
from leakaudit.scan.api import Scan, ScanOptions, again, examine
from leakaudit.scan.config import load_config
from leakaudit.scan.edits import Edit, between
from leakaudit.scan.fate import Terms, decide
from leakaudit.scan.loader import load_rules
from leakaudit.scan.mend import mend
from leakaudit.scan.rule import Rule
from leakaudit.scan.selection import select_rules
from leakaudit.source import SourceFile, read_source


@dataclass(frozen=True, slots=True)
class Offer:
    """A fix of a finding in a buffer: the edits, in bytes of the buffer's UTF-8 text, and whether it is safe."""

    title: str
    safe: bool
    edits: tuple[Edit, ...]


class Project:
    """The files below a folder, some of them open with a text of their own. Not for several threads at once."""

    def __init__(self, folder: str, rules_dirs: tuple[str, ...] = ()) -> None:
        self.folder = Path(folder).resolve()
        self._rules = load_rules(rules_dirs)
        self._opened: dict[str, SourceFile] = {}
        self._options = ScanOptions(rules_dirs=rules_dirs, loaded=self._rules)
        self._scan: Scan | None = None
        self._report: Report | None = None

    @property
    def rules(self) -> Mapping[str, Rule]:
        """The rules by code."""
        return {rule.code: rule for rule in self._rules}

    def load(self) -> None:
        """Scan all files as they stand on the disk, with the configuration as it stands there."""
        config = load_config(self.folder)
        options = replace(
            self._options,
            select=config.select,
            ignore=config.ignore,
            exclude=config.exclude,
            tables=config.tables,
            root=config.root,
        )
        known = str(Path(config.root) / config.baseline) if config.baseline else ""
        self._terms = Terms(
            config=config,
            rules=self._rules,
            ran=select_rules(self._rules, config.select, config.ignore),
            baseline=baseline.load(known) if known and Path(known).is_file() else (),
            threshold=config.confidence,
        )
        self._scan = examine([str(self.folder)], options)
        self._put(self._opened)

    def edit(self, path: str, text: str) -> None:
        """Let a file have another text than on the disk; one that cannot be parsed keeps its facts from before."""
        source = SourceFile(path, text.encode("utf-8", "surrogatepass"), text)
        self._opened[path] = source
        self._put({path: source})

    def close(self, path: str) -> None:
        """Let a file be again as it stands on the disk."""
        self._opened.pop(path, None)
        try:
            self._put({path: read_source(path)})
        except SourceError:  # deleted, or no Python
            self._forget(path)

    def findings(self, path: str) -> tuple[Finding, ...]:
        """Return what is shown of a file."""
        if self._report is None:
            return ()
        return tuple(item for item in self._report.shown if item.location.path == path)

    def fix(self, finding: Finding) -> Offer | None:
        """Return the fix of a finding in an open file, tried out: the finding is gone after it and no other came."""
        path = finding.location.path
        source = self._opened.get(path)
        if self._scan is None or source is None:
            return None

        def only_this(scan: Scan) -> Report:
            report = self._decided(scan)
            return replace(report, findings=tuple(f for f in report.findings if _same(f, finding)))

        mended = mend(self._scan, only_this, unsafe=True, opened=self._opened)
        for change in mended.changes:
            fix = next((item.fix for item in mended.report.fixed if item.fix is not None), None)
            if change.before.path == path and fix is not None:
                return Offer(fix.description, fix.safe, between(source, change.after.text))
        return None

    def _put(self, sources: Mapping[str, SourceFile]) -> None:
        if self._scan is None:
            return
        read = {path: _facts(source) for path, source in sources.items()}
        facts = {path: found for path, found in read.items() if found is not None}
        if facts:
            self._scan = again(self._scan, facts, self._opened)
        self._report = self._decided(self._scan)

    def _forget(self, path: str) -> None:
        if self._scan is not None and path in self._scan.facts:
            left = {known: facts for known, facts in self._scan.facts.items() if known != path}
            self._scan = again(replace(self._scan, facts=left), {}, self._opened)
            self._report = self._decided(self._scan)

    def _decided(self, scan: Scan) -> Report:
        return decide(scan.report, replace(self._terms, comments=scan.comments, audited=scan.files))


def _facts(source: SourceFile) -> FileFacts | None:
    try:
        return extract(source.text)
    except SourceError:  # half a statement, most of the time
        return None


def _same(finding: Finding, other: Finding) -> bool:
    return finding.location.path == other.location.path and finding.fingerprint == other.fingerprint
