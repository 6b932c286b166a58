"""Module names: which file an import means, judged by paths alone."""

from __future__ import annotations

import os
from collections.abc import Iterable

#: The parts of a folder's path, and what the dotted names mean that its files use.
_Folder = tuple[tuple[str, ...], dict[str, "tuple[str, str] | None"]]


class Modules:
    """Maps dotted names to the project's files.

    A file answers to a dotted import when the whole dotted name is the tail of its path (`a.b` is `x/a/b.py` or
    `x/a/b/__init__.py`); a single name only within the importing file's own folder, or at the folder that the scan starts from.
    Paths count in full, so that a package is known by its name even to who stands inside it.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._here = _parts(os.getcwd())  # noqa: PTH109
        self._by_last: dict[str, list[tuple[str, ...]]] = {}
        self._paths: dict[tuple[str, ...], str] = {}
        packages = set()
        for path in paths:
            parts = self._full(path.removesuffix(".py").removesuffix(".pyw"))
            if parts[-1] == "__init__":
                parts = parts[:-1]
                packages.add(parts)
            self._paths[parts] = path
            self._by_last.setdefault(parts[-1] if parts else "", []).append(parts)
        self._packages = packages
        self._names: dict[str, str] = {}
        self._folders: dict[str, _Folder] = {}
        self._by_parts: dict[tuple[str, ...], _Folder] = {}

    def name_of(self, path: str) -> str:
        """Return the dotted module name of a file: from the topmost folder that is a package, or a bare name."""
        known = self._names.get(path)
        if known is not None:
            return known
        parts = self._full(path.removesuffix(".py").removesuffix(".pyw"))
        if parts[-1] == "__init__":
            parts = parts[:-1]
        start = len(parts) - 1
        while start > 0 and parts[:start] in self._packages:
            start -= 1
        name = ".".join(parts[max(start, 0) :])
        self._names[path] = name
        return name

    def locate(self, dotted: str, importer: str) -> tuple[str, str] | None:
        """Return (file, rest of the name inside it) for a dotted name as `importer` spells it, or None."""
        folder, known = self._folders.get(importer) or self._folder(importer)
        if dotted not in known:
            known[dotted] = self._locate(dotted, folder)
        return known[dotted]

    def _locate(self, dotted: str, folder: tuple[str, ...]) -> tuple[str, str] | None:
        level = len(dotted) - len(dotted.lstrip("."))
        names = tuple(n for n in dotted[level:].split(".") if n)
        if level:
            base = folder[: len(folder) - (level - 1)] if level > 1 else folder
            inside = self._paths.get(base)
            return self._longest(base, names) or (
                (inside, ".".join(names)) if inside is not None and names else None
            )
        found = self._longest(folder, names)
        if found is not None:
            return found
        for end in range(len(names), 1, -1):
            tail = names[:end]
            matches = [p for p in self._by_last.get(tail[-1], ()) if p[-end:] == tail]
            if matches:
                best = max(matches, key=lambda p: _shared(p, folder))
                return self._paths[best], ".".join(names[end:])
        return self._longest(self._here, names)

    def _folder(self, importer: str) -> _Folder:
        parts = self._full(importer)[:-1]
        self._folders[importer] = self._by_parts.setdefault(parts, (parts, {}))
        return self._folders[importer]

    def _full(self, path: str) -> tuple[str, ...]:
        if ".." in path or os.sep != "/":
            return _parts(os.path.abspath(path))  # noqa: PTH100
        return _parts(path) if path.startswith("/") else (*self._here, *path.split("/"))

    def _longest(self, base: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, str] | None:
        for end in range(len(names), 0, -1):
            path = self._paths.get(base + names[:end])
            if path is not None:
                return path, ".".join(names[end:])
        return None


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.replace(os.sep, "/").split("/"))


def _shared(parts: tuple[str, ...], folder: tuple[str, ...]) -> int:
    count = 0
    for left, right in zip(parts, folder):
        if left != right:
            break
        count += 1
    return count
