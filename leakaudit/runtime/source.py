"""Which of a target's files are its own source: neither the standard library nor installed packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from leakaudit.findings.model import Confidence
from leakaudit.findings.order import by_place

if TYPE_CHECKING:
    from leakaudit.findings.report import Report

INSTALLED = ("site-packages", "dist-packages")
OURS = ("leakaudit", "leakaudit_door")
BOOT = ("leakaudit", "runtime", "boot")


def own_source(files: Mapping[str, str], cwd: str, root: Path) -> tuple[Path, ...]:
    """Return what to scan, as paths that open here: whole packages, and single files that belong to none.

    `files` maps the target's loaded modules to their files as the target sees them, `root` is its file system.
    """
    library = standard_library(files)
    found: set[PurePosixPath] = set()
    for module, file in files.items():
        path = PurePosixPath(cwd, file)
        if path.suffix != ".py" or _is_ours(module, path) or _foreign(path, library):
            continue
        found.add(_package(module, path))
    tops = {path for path in found if not any(parent in found for parent in path.parents)}
    here = (seen_here(root, path) for path in sorted(tops))
    return tuple(path for path in here if path.exists())


def installed_source(files: Mapping[str, str], cwd: str, root: Path) -> tuple[Path, ...]:
    """Return the source files of installed packages that the target has loaded, as paths that open here."""
    paths = (PurePosixPath(cwd, file) for file in files.values())
    installed = {path for path in paths if in_package(path)}
    here = {source_of(seen_here(root, path)) for path in installed}
    return tuple(sorted(path for path in here if path.suffix == ".py" and path.exists()))


def in_package(path: PurePath) -> bool:
    """Tell whether a file belongs to an installed package."""
    return any(part in INSTALLED for part in path.parts)


def source_of(path: Path) -> Path:
    """Return the source of a module's file: of a compiled one, what lies beside it, if anything does."""
    if path.suffix == ".py":
        return path
    source = path.with_name(path.name.partition(".")[0] + ".py")
    return source if source.exists() else path


def seen_here(root: Path, path: PurePosixPath) -> Path:
    """Return where a target's path lies for us; the path itself where the target shares our root."""
    if _same(root, Path("/")):
        return Path(path)
    return root / path.relative_to("/")


def seen_there(root: Path, path: str) -> str:
    """Return what the target calls a path below its root."""
    prefix = str(root)
    return path[len(prefix) :] if path.startswith(prefix + "/") else path


def as_seen_there(report: Report, root: Path) -> Report:
    """Return a scan's report with the target's own paths, in the order in which findings are numbered."""

    def moved(path: str) -> str:
        return seen_there(root, path)

    findings = (
        replace(
            finding,
            location=replace(finding.location, path=moved(finding.location.path)),
            related=tuple(
                replace(item, location=replace(item.location, path=moved(item.location.path)))
                for item in finding.related
            ),
            probe=finding.probe and replace(finding.probe, path=moved(finding.probe.path)),
        )
        for finding in report.findings
    )
    return replace(report, findings=by_place(findings), threshold=Confidence.LOW)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def standard_library(files: Mapping[str, str]) -> tuple[PurePosixPath, ...]:
    """Return the folders of the target's standard library."""
    # Of the places where the standard library can lie, the target's own modules tell which it is.
    known = (files[name] for name in ("os", "abc", "codecs", "threading") if name in files)
    folders = {PurePosixPath(file).parent for file in known}
    return tuple(folders)


def _is_ours(module: str, path: PurePosixPath) -> bool:
    """Tell whether a module is what a target that cooperates has loaded of leakaudit."""
    return module.partition(".")[0] in OURS or path.parts[-4:-1] == BOOT


def _foreign(path: PurePosixPath, library: Iterable[PurePosixPath]) -> bool:
    return in_package(path) or any(folder in path.parents for folder in library)


def _package(module: str, path: PurePosixPath) -> PurePosixPath:
    """Return the folder of a file's topmost package, or the file itself."""
    if module == "__main__":
        return path
    depth = module.count(".") + (path.stem == "__init__")
    return path.parents[depth - 1] if depth else path
