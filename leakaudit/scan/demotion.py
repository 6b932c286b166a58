"""Files whose findings matter less: tests, test data, and what a program wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from leakaudit.findings import Confidence, Evidence
from leakaudit.findings.report import DEMOTION
from leakaudit.scan.rule import Suspect
from leakaudit.source import is_fixture_path, is_generated, is_test_path


class Demotion:
    """Judges files by their path below the scanned folder: whoever names a folder of tests wants to hear of it.

    `roots` are the scanned paths as given; a named file is judged by its path below `base`.
    """

    def __init__(self, roots: Iterable[str] = (), base: str = ".") -> None:
        self._roots = tuple(sorted((_absolute(root) for root in roots), key=len, reverse=True))
        self._base = _absolute(base)

    def apply(self, suspect: Suspect, generated: bool) -> Suspect:
        """Return the suspect, no surer than low if its file is of little weight; the evidence says if that lowered it."""
        evidence = self._evidence(suspect.location.path, generated)
        if evidence is None or suspect.confidence is Confidence.LOW:
            return suspect
        return replace(suspect, evidence=(*suspect.evidence, evidence), cap=Confidence.LOW)

    def _evidence(self, path: str, generated: bool) -> Evidence | None:
        inner = self._inner(path)
        if is_test_path(inner) or is_fixture_path(inner):
            return Evidence(DEMOTION, "test", "the file belongs to the tests", -4)
        if generated or is_generated(inner, ""):
            return Evidence(DEMOTION, "generated", "the file was written by a program", -4)
        return None

    def _inner(self, path: str) -> str:
        full = _absolute(path)
        for folder in (*self._roots, self._base):
            if full.startswith(folder + "/"):
                return full[len(folder) + 1 :]
        return path.rpartition("/")[2]


def _absolute(path: str) -> str:
    return os.path.abspath(path).replace(os.sep, "/").rstrip("/")  # noqa: PTH100  once per suspect: no Path
