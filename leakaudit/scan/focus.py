"""Scans of single files: they are linked with the project around them, and only what concerns them is told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leakaudit.errors import ConfigError
from leakaudit.findings import Finding, Location, suppression
from leakaudit.findings.suppression import Comment
from leakaudit.scan.config import has_table
from leakaudit.source import discover


@dataclass(frozen=True, slots=True)
class Focus:
    """The files that were named, below the folder of their project, both as the user spells them."""

    root: str
    named: tuple[str, ...]

    def whole(self, exclude: Sequence[str], base: str) -> tuple[str, ...]:
        """Return the project's files, the named ones among them even if they are excluded."""
        found = discover([self.root], exclude, base=base).files
        if self.root.startswith(".."):
            found = tuple(os.path.relpath(path).replace(os.sep, "/") for path in found)
        return tuple(dict.fromkeys((*found, *self.named)))

    def concerns(self, finding: Finding) -> bool:
        """Tell whether a named file has a part in a finding: it stands there, or some of its evidence does."""
        return not set(self.named).isdisjoint(place.path for place in _places(finding))

    def comments(
        self, comments: Mapping[str, tuple[Comment, ...]], findings: Iterable[Finding]
    ) -> Mapping[str, tuple[Comment, ...]]:
        """Return the comments of the named files, and those that silence a finding elsewhere."""
        elsewhere = {path: found for path, found in comments.items() if path not in self.named}
        unused = set(suppression.apply(findings, elsewhere).unused)
        used = {
            path: tuple(comment for comment in found if (path, comment) not in unused)
            for path, found in elsewhere.items()
        }
        return {**used, **{path: comments[path] for path in self.named if path in comments}}


def focus_on(paths: Sequence[str]) -> Focus | None:
    """Return the focus of a scan of these files; None where no project lies around them.

    Where one of them is absolute, all are, else they start from the current folder.
    """
    try:
        folder = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])  # noqa: PTH100, PTH120
    except ValueError:  # on different drives
        return None
    root = project_root(Path(folder))
    if root is None:
        return None
    if any(map(os.path.isabs, paths)):
        return Focus(str(root), tuple(os.path.abspath(path) for path in paths))  # noqa: PTH100
    named = tuple(os.path.relpath(path).replace(os.sep, "/") for path in paths)
    return Focus(os.path.relpath(root).replace(os.sep, "/"), named)


def project_root(folder: Path) -> Path | None:
    """Return the nearest folder upwards whose pyproject.toml has [tool.leakaudit], else the repository's, else the
    nearest that holds a pyproject.toml, a setup.cfg or a setup.py; None if there is none.
    """
    above = [path for path in (folder, *folder.parents) if path not in (Path.home(), Path(folder.anchor))]
    for candidate in above:
        if _is_configured(candidate):
            return candidate
    for marks in ((".git",), ("pyproject.toml", "setup.cfg", "setup.py")):
        for candidate in above:
            if any((candidate / mark).exists() for mark in marks):
                return candidate
    return None


def _is_configured(folder: Path) -> bool:
    path = folder / "pyproject.toml"
    try:
        return path.is_file() and has_table(path)
    except ConfigError:  # somebody else's, or told by the configuration's own reader
        return False


def is_new(finding: Finding, known: Mapping[str, int] | None) -> bool:
    """Tell whether nobody was told of a finding, or only with less confidence.

    `known` maps fingerprints to the rank of the confidence told; None means that there was no scan to compare with.
    """
    return known is not None and known.get(finding.fingerprint, -1) < finding.confidence.rank


def told(findings: Iterable[Finding], known: Mapping[str, int] | None, focus: Focus | None) -> dict[str, int]:
    """Return what is known after these findings of all files.

    A scan of the project makes all known, one of single files only those that stand there: what it tells of others
    it tells again, until somebody mends or silences it, or looks at the whole.
    """
    if focus is None or known is None:
        return {finding.fingerprint: finding.confidence.rank for finding in findings}
    named = set(focus.named)
    return {
        finding.fingerprint: finding.confidence.rank
        if finding.location.path in named
        else min(finding.confidence.rank, known[finding.fingerprint])
        for finding in findings
        if finding.location.path in named or finding.fingerprint in known
    }


def _places(finding: Finding) -> Iterator[Location]:
    yield finding.location
    yield from (related.location for related in finding.related)
    yield from (item.location for item in finding.evidence if item.location is not None)
