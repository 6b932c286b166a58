"""What machine formats tell of a report, and the paths and names that they tell it with."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from leakaudit.findings.order import by_growth, by_place

if TYPE_CHECKING:
    from leakaudit.findings import Finding
    from leakaudit.findings.report import Report

_DRIVE = re.compile(r"[A-Za-z]:/")


def told(report: Report) -> tuple[Finding, ...]:
    """Return the findings that count: those shown by a scan, those confirmed in a process."""
    return by_growth(report.confirmed) if report.runtime else by_place(report.shown)


def posix(path: str) -> str:
    """Return a path with `/`, from the current folder if it lies below it, without `./`."""
    here = _here()
    path = _separated(path)
    if path.startswith(here):
        path = path[len(here) :]
    return posixpath.normpath(path)


def uri(path: str) -> tuple[str, bool]:
    """Return a path as a URI, and whether it is relative to the current folder."""
    path = posix(path)
    if _DRIVE.match(path):
        return f"file:///{_quote(path, '/:')}", False
    if path.startswith("/"):
        return f"file://{_quote(path)}", False
    # A colon in the first part would make it a scheme.
    return _quote(path), True


def words(name: str) -> str:
    """Return a rule's name as words: `unbounded-mapping` -> `Unbounded mapping`."""
    return name.replace("-", " ").capitalize()


def module_of(path: str) -> str:
    """Return a path as dotted name, as test reports group by: `server/limits.py` -> `server.limits`."""
    parts = PurePosixPath(posix(path)).with_suffix("").parts
    return ".".join(part for part in parts if part not in ("/", ".."))


def _quote(path: str, safe: str = "/") -> str:
    return quote(path, safe, errors="surrogateescape")


def _separated(path: str) -> str:
    """Write a Windows path (a drive, or no slash at all) with `/`; elsewhere a backslash is part of a name."""
    windows = re.match(r"[A-Za-z]:\\|\\\\", path)
    return path.replace("\\", "/") if windows else path


def _here() -> str:
    return _separated(str(Path.cwd())).rstrip("/") + "/"
