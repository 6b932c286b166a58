"""Which open files are logs, and how large they are."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".log", ".jsonl", ".out", ".err", ".trace")
NOT_FILES = ("/dev/", "/proc/", "/sys/", "/memfd:")


def is_log(path: str) -> bool:
    """Whether a path looks like a log: by suffix, a rotation number allowed, or in a folder called log or logs."""
    if path.startswith(NOT_FILES):
        return False
    *folders, name = path.lower().replace("\\", "/").split("/")
    return name.rstrip("0123456789.-").endswith(SUFFIXES) or not {"log", "logs"}.isdisjoint(folders)


def size_of(path: str) -> int:
    """Return a file's size in bytes, 0 if it is gone or denied."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
