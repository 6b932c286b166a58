"""The process that is to be audited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from leakaudit.runtime.attach.elf import Symbol


@dataclass(frozen=True, slots=True)
class Runtime:
    """The CPython in a process: the mapped ELF image that defines its C API."""

    #: As the target sees it; it may be deleted or lie in another root.
    path: str
    elf_machine: int
    symbols: Mapping[str, Symbol]
    #: The first bytes of one of its functions, to recognise it by.
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """A live CPython process that can be attached to."""

    pid: int
    #: Clock ticks since boot; with the pid it names the process for good.
    start_time: int
    exe: str
    argv: tuple[str, ...]
    cwd: str
    #: (major, minor, micro), or (major, minor) before 3.11; None when it cannot be told.
    version: tuple[int, ...] | None
    free_threaded: bool
    runtime: Runtime
    #: The target's file system, seen from here.
    root: Path
    uid: int
    gid: int
    #: The pid as the target itself sees it.
    namespace_pid: int
    threads: int
