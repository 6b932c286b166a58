"""The memory that a process's cgroup uses and may use, version 1 and 2.

Version 2: Linux' Documentation/admin-guide/cgroup-v2.rst; version 1: admin-guide/cgroup-v1/memory.rst. The working set
is usage less inactive file pages, which is what container runtimes compare with the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from leakaudit.process import procfs
from leakaudit.process.sample import CgroupMemory

NO_LIMIT_V1 = 1 << 60  # version 1 writes "no limit" as the largest multiple of a page


@lru_cache(maxsize=1)
def mounts() -> tuple[tuple[str, str], ...]:
    """Return (kind, folder) of the mounted hierarchies that can hold memory figures; kind is "v1" or "v2"."""
    found = []
    for line in (procfs.read("/proc/self/mountinfo") or b"").decode(errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = [*right.split(), "", "", ""][:3]
        folder = left.split()[4]
        if kind == "cgroup2":
            found.append(("v2", folder))
        elif kind == "cgroup" and "memory" in options.split(","):
            found.append(("v1", folder))
    return tuple(found)


def paths(membership: str) -> dict[str, str]:
    """Return kind -> path inside the hierarchy, from the text of /proc/PID/cgroup."""
    found = {}
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            found["v2"] = path
        elif "memory" in controllers.split(","):
            found["v1"] = path
    return found


def memory(pid: int) -> CgroupMemory | None:
    """Return the memory of the innermost cgroup that accounts for it; None where there is none or it is denied."""
    membership = paths((procfs.read(f"/proc/{pid}/cgroup") or b"").decode(errors="replace"))
    for kind, folder in mounts():
        if kind in membership:
            reader = _v1 if kind == "v1" else _v2
            if found := reader(folder, membership[kind]):
                return found
    return None


def _ancestors(root: str, path: str) -> Iterator[tuple[str, str]]:
    # Seen from a container the path may not exist below the mount: then a parent answers, at last the mount itself.
    inner = PurePosixPath(path)
    for group in (inner, *inner.parents):
        yield str(group), str(Path(root) / str(group).lstrip("/"))


def _number(path: str) -> int | None:
    raw = (procfs.read(path) or b"").strip()
    return int(raw) if raw.isdigit() else None


def _stat_value(path: str, key: str) -> int:
    for line in (procfs.read(path) or b"").decode().splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0


def _v2(root: str, path: str) -> CgroupMemory | None:
    found: CgroupMemory | None = None
    limits = []
    for group, folder in _ancestors(root, path):
        usage = _number(f"{folder}/memory.current")
        if usage is None:
            continue
        if found is None:
            inactive = _stat_value(f"{folder}/memory.stat", "inactive_file")
            found = CgroupMemory(group, usage, max(0, usage - inactive), None)
        limit = _number(f"{folder}/memory.max")  # "max" where there is none
        limits += [limit] if limit is not None else []
    return replace(found, limit=min(limits, default=None)) if found else None


def _v1(root: str, path: str) -> CgroupMemory | None:
    for group, folder in _ancestors(root, path):
        usage = _number(f"{folder}/memory.usage_in_bytes")
        if usage is None:
            continue
        inactive = _stat_value(f"{folder}/memory.stat", "total_inactive_file")
        limit = _stat_value(f"{folder}/memory.stat", "hierarchical_memory_limit")
        known = limit if 0 < limit < NO_LIMIT_V1 else None
        return CgroupMemory(group, usage, max(0, usage - inactive), known)
    return None
