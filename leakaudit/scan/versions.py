"""Which code made a result: what is kept from an earlier run counts only while the code that made it is the same."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from leakaudit import __version__
from leakaudit.source import MAX_BYTES

_PACKAGE = Path(__file__).resolve().parent.parent
_IMPORT = re.compile(rb"^\s*from leakaudit\.([\w.]+) import ([\w, ]+)", re.MULTILINE)


@lru_cache(maxsize=1)
def facts_version() -> str:
    """Return a short name for what decides the facts of a text: the code that extracts them and the Python that parses."""
    return _digest(_reached("facts/extract.py"))


def content_key(data: bytes) -> str:
    """Return what a file's facts are kept under: its content, leakaudit's facts code, the Python that parsed it."""
    return hashlib.blake2b(data, digest_size=16, key=facts_version().encode()).hexdigest()


def key_of(path: str) -> str:
    """Return what a file's content is kept under, "" where it cannot be read."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  a Path per file costs more than the read
            return content_key(stream.read(MAX_BYTES + 1))
    except OSError:
        return ""


def findings_version(rules_folders: Iterable[Path]) -> str:
    """Return a short name for what decides the findings of facts: leakaudit's code and every file of the rules."""
    own = [
        path for part in ("facts", "findings", "scan", "source") for path in _PACKAGE.glob(f"{part}/**/*.py")
    ]
    rules = [path for folder in rules_folders for path in folder.glob("*.py")]
    return _digest([*sorted(own), *sorted(rules)])


def _reached(start: str) -> list[Path]:
    """The files of the package that one of them imports, directly or not, itself included."""
    found: dict[Path, None] = {}
    todo = [_PACKAGE / start]
    while todo:
        path = todo.pop()
        if path not in found and path.is_file():
            found[path] = None
            for module, names in _IMPORT.findall(path.read_bytes()):
                todo += _imported(module.decode(), names.decode())
    return sorted(found)


def _imported(module: str, names: str) -> list[Path]:
    """The files that `from leakaudit.MODULE import NAMES` may mean; not all of them need exist."""
    inner = _PACKAGE / module.replace(".", "/")
    submodules = [inner / f"{name.strip()}.py" for name in names.split(",")]
    return [inner.with_suffix(".py"), inner / "__init__.py", *submodules]


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.blake2b(f"{__version__} {sys.version_info}".encode(), digest_size=8)
    for path in paths:
        data = path.read_bytes()
        digest.update(f"\n{path.name} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()
