"""Scan files of a folder and mend them in memory, as `scan --fix` does; shared by the tests of the fixes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from leakaudit.facts.extract import extract
from leakaudit.findings import Confidence
from leakaudit.findings.report import Report
from leakaudit.scan.api import Basis, Scan, run_rules
from leakaudit.scan.loader import load_rules
from leakaudit.scan.mend import Mended, mend
from leakaudit.source import read_source

RULES = load_rules()


def decided(scan: Scan) -> Report:
    """Show what is shown by default."""
    return replace(scan.report, threshold=Confidence.MEDIUM)


def scanned(*paths: str) -> Scan:
    facts = {path: extract(read_source(path).text) for path in paths}
    basis = Basis(RULES)
    return Scan(Report("scan", tuple(run_rules(facts, basis)[0])), facts, basis)


def mended(path: Path, text: str | bytes, *, unsafe: bool = False) -> Mended:
    """Write a file and return what fixing it leads to."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return mend(scanned(str(path)), decided, unsafe=unsafe)


def fixed(path: Path, text: str, *, unsafe: bool = False) -> str:
    """Return the text after fixing, which is the given one if nothing changes."""
    changes = mended(path, text, unsafe=unsafe).changes
    return changes[0].after.text if changes else text
