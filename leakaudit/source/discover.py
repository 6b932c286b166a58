"""Find the Python files under the paths that the user gave."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from leakaudit.findings.report import FileError

SUFFIXES = (".py", ".pyw")
#: Why a pipe, a socket or a device is not read: that might never end.
NO_FILE = "not a regular file"
#: Never the audited project's own code.
_SKIPPED = frozenset(
    {
        ".git", ".hg", ".svn", ".bzr", ".tox", ".nox", ".venv", ".eggs", ".direnv",
        ".mypy_cache", ".pytest_cache", ".ruff_cache", ".leakaudit_cache", ".ipynb_checkpoints",
        "__pycache__", "__pypackages__", "node_modules", "site-packages", "dist-packages",
    }
)  # fmt: skip
#: Build output and environments by these names, unless it is a package (pypa/build and Lib/venv are).
_SKIPPED_UNLESS_PACKAGE = frozenset({"build", "_build", "dist", "venv", "env"})


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found: files in the order of the paths, what could not be read, and named files left out.

    `ignored` are files that the user named and that are not Python or (under `force_exclude`) excluded;
    `walked` tells whether any path was a folder.
    """

    files: tuple[str, ...]
    errors: tuple[FileError, ...] = ()
    ignored: tuple[str, ...] = ()
    walked: bool = False

    @property
    def nothing_asked(self) -> bool:
        """Tell whether only files were named and none concerns us, as a hook does when no Python file changed."""
        return not self.files and not self.errors and not self.walked


def discover(
    paths: Iterable[str | os.PathLike[str]],
    exclude: Sequence[str] = (),
    force_exclude: bool = False,
    base: str = ".",
) -> Discovery:
    """Return the Python files under `paths`, each once, folders in sorted order.

    `exclude` holds gitignore patterns relative to `base`. What is named counts even if it is excluded, unless
    `force_exclude`. A link to a folder is followed only where it is named, so there are no loops; a link to a
    file counts if the file itself was not found.
    """
    search = _Search(_matcher(exclude), base)
    ignored: list[str] = []
    walked = False
    for given in paths:
        path = _tidy(os.fspath(given))
        if os.path.isdir(path):  # noqa: PTH112  strings all the way: 2,900 Path objects cost more than the walk
            walked = True
            if not (force_exclude and search.excludes(path, folder=True)):
                search.add_folder(path)
        elif not os.path.exists(path):  # noqa: PTH110
            search.add_error(path, "no such file or folder")
        elif not os.path.isfile(path):  # noqa: PTH113
            search.add_error(path, NO_FILE)
        elif (force_exclude and search.excludes(path)) or not is_python(path):
            ignored.append(path)
        else:
            search.add_file(path)
    search.add_links()
    return Discovery(tuple(search.files.values()), tuple(search.errors), tuple(ignored), walked)


def is_python(path: str) -> bool:
    """Tell whether a file is Python by its suffix, or by its first line if it has none."""
    if path.endswith(SUFFIXES):
        return True
    if "." in os.path.basename(path):  # noqa: PTH119
        return False
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            first = stream.readline(200)
    except OSError:
        return False
    return first.startswith(b"#!") and b"python" in first


Matcher = Callable[[str], bool]


@dataclass(slots=True)
class _Search:
    """The files found so far, by real path."""

    matches: Matcher | None
    base: str
    files: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    errors: list[FileError] = field(default_factory=list)

    def add_file(self, path: str) -> None:
        self.files.setdefault(os.path.realpath(path), path)

    def add_error(self, path: str, reason: str) -> None:
        lost = os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114
        self.errors.append(FileError(path, "link to nowhere" if lost else reason))

    def add_folder(self, path: str) -> None:
        """Walk a folder. Below a real folder every path is real, so one realpath call serves all its files."""
        real = os.path.realpath(path)
        shown = "" if path == "." else path.rstrip("/") + "/"
        relative = self._relative(path) + "/"
        for inner in self._walk(path, "", relative):
            self.files.setdefault(f"{real}/{inner}", shown + inner)

    def add_links(self) -> None:
        for link in self.links:
            if os.path.isfile(link):  # noqa: PTH113
                self.add_file(link)
            else:
                self.add_error(link, NO_FILE)

    def excludes(self, path: str, folder: bool = False) -> bool:
        return self.matches is not None and self.matches(self._relative(path) + "/" * folder)

    def _relative(self, path: str) -> str:
        return _tidy(os.path.relpath(path, self.base))

    def _walk(self, folder: str, inner: str, relative: str) -> Iterator[str]:
        """Yield the files below `folder`/`inner`, by their path below `folder`."""
        here = f"{folder}/{inner}" if inner else folder
        try:
            with os.scandir(here) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            self.add_error(_tidy(here).rstrip("/"), error.strerror or type(error).__name__)
            return
        names = {entry.name for entry in entries}
        if inner and _is_environment(names):
            return
        for entry in entries:
            path = f"{inner}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if not _is_skipped(entry) and not self._matches(f"{relative}{path}/"):
                    yield from self._walk(folder, f"{path}/", relative)
            elif entry.name.endswith(SUFFIXES) and not self._matches(relative + path):
                if entry.is_file(follow_symlinks=False):
                    yield path
                elif not entry.is_symlink():
                    self.add_error(_tidy(entry.path), NO_FILE)
                elif (
                    not entry.name.startswith(".#") and not entry.is_dir()
                ):  # Emacs locks are links to nowhere
                    self.links.append(_tidy(entry.path))

    def _matches(self, relative: str) -> bool:
        return self.matches is not None and self.matches(relative)


def _is_environment(names: set[str]) -> bool:
    return "pyvenv.cfg" in names or "conda-meta" in names


def _is_skipped(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    if name in _SKIPPED or name.endswith((".egg-info", ".dist-info", ".egg")):
        return True
    return name in _SKIPPED_UNLESS_PACKAGE and not os.path.exists(f"{entry.path}/__init__.py")  # noqa: PTH110


def _tidy(path: str) -> str:
    """Write a path with `/`, without a leading `./`."""
    path = path.replace(os.sep, "/") if os.sep != "/" else path
    while path.startswith("./") and len(path) > 2:
        path = path[2:].lstrip("/")
    return path or "."


def _matcher(patterns: Sequence[str]) -> Matcher | None:
    if not patterns:
        return None
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns).match_file
