"""Look at a process from outside and say whether it can be attached to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import main_thread, procfs
from leakaudit.runtime.attach.elf import ElfError, read_image
from leakaudit.runtime.attach.target import Runtime, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakaudit.runtime.attach.procfs import Memory

_FREE_THREADED = "_Py_DecRefShared"
_FEATURES = (
    "Py_Version",
    "_PyRuntime",
    _FREE_THREADED,
    "PyModule_AddObjectRef",
    "PyModule_AddType",
    "PyCode_NewWithPosOnlyArgs",
)
_NAMES = (*main_thread.SYMBOLS, *_FEATURES)


def inspect(pid: int) -> Target:
    """Describe the process; raises AttachError with cause and remedy where it cannot be attached to."""
    status = procfs.read_status(pid)
    with procfs.Memory(pid) as memory:
        runtime = _find_runtime(pid, memory)
        version = _version(memory, runtime)
    return Target(
        pid=pid,
        start_time=procfs.start_time(pid),
        exe=str(Path(f"/proc/{pid}/exe").readlink()),
        argv=tuple(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")[:-1]),
        cwd=str(Path(f"/proc/{pid}/cwd").readlink()),
        version=version,
        free_threaded=_FREE_THREADED in runtime.symbols,
        runtime=runtime,
        root=Path(f"/proc/{pid}/root"),
        uid=int(status["Uid"].split()[1]),
        gid=int(status["Gid"].split()[1]),
        namespace_pid=int(status["NSpid"].split()[-1]),
        threads=int(status["Threads"]),
    )


def _find_runtime(pid: int, memory: Memory) -> Runtime:
    for mapping in _candidates(pid):
        try:
            image = read_image(memory, mapping.start)
            symbols = image.find(memory, _NAMES)
        except (ElfError, OSError):
            continue
        if "Py_AddPendingCall" in symbols:
            fingerprint = memory.read(symbols["Py_AddPendingCall"].address, 16)
            return Runtime(mapping.path, image.machine, image.text, symbols, fingerprint)
    raise AttachError(
        f"process {pid} is not a CPython process", "give the pid of the Python interpreter itself"
    )


def _candidates(pid: int) -> Iterator[procfs.Mapping]:
    exe = str(Path(f"/proc/{pid}/exe").readlink())
    for mapping in procfs.read_maps(pid):
        if (
            mapping.offset == 0
            and mapping.path.startswith("/")
            and (mapping.path == exe or "python" in mapping.path)
        ):
            yield mapping


def _version(memory: Memory, runtime: Runtime) -> tuple[int, ...] | None:
    if "Py_Version" in runtime.symbols:
        number = int.from_bytes(memory.read(runtime.symbols["Py_Version"].address, 4), "little")
        return number >> 24, number >> 16 & 255, number >> 8 & 255
    for symbol, version in (
        ("PyModule_AddObjectRef", (3, 10)),
        ("PyModule_AddType", (3, 9)),
        ("PyCode_NewWithPosOnlyArgs", (3, 8)),
    ):
        if symbol in runtime.symbols:
            return version
    return None
