"""Recognise the interpreter that is mapped in a process."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from leakaudit.errors import AttachError, NotPythonError
from leakaudit.runtime.attach import main_thread, procfs
from leakaudit.runtime.attach.elf import ElfError, read_image
from leakaudit.runtime.attach.target import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakaudit.runtime.attach.elf import Readable

#: Exported only by builds without a global interpreter lock.
_FREE_THREADED = "_Py_DecRefShared"
#: The first version that exports a function, newest first: all that tells versions before 3.11 apart.
_SINCE = (
    ("PyModule_AddObjectRef", (3, 10)),
    ("PyModule_AddType", (3, 9)),
    ("PyCode_NewWithPosOnlyArgs", (3, 8)),
)
_ANCHOR = "Py_AddPendingCall"
_NAMES = (*main_thread.SYMBOLS, "Py_Version", "_PyRuntime", _FREE_THREADED, *(name for name, _ in _SINCE))
_FINGERPRINT_SIZE = 16
_OTHERS = ("pypy", "libpypy", "graalpy", "micropython")


def find_runtime(pid: int, memory: Readable) -> Runtime:
    """Return the CPython in a process; raises AttachError where there is none, OSError where it ends meanwhile."""
    exe = str(Path(f"/proc/{pid}/exe").readlink())
    images = tuple(_images(pid, exe))
    if not images:
        raise ProcessLookupError(pid)  # it is ending: its memory is gone already
    for name in (PurePosixPath(exe).name, *(PurePosixPath(mapping.path).name for mapping in images)):
        if name.startswith(_OTHERS):
            raise NotPythonError(
                f"process {pid} runs {name}, and only CPython can be attached to",
                "watch it from outside with `leakaudit monitor`",
            )
    for mapping in images:
        try:
            image = read_image(memory, mapping.start)
            symbols = image.find(memory, _NAMES)
        except (ElfError, OSError):
            continue
        if _ANCHOR in symbols:
            fingerprint = memory.read(symbols[_ANCHOR].address, _FINGERPRINT_SIZE)
            return Runtime(mapping.path, image.machine, symbols, fingerprint)
    if "python" in PurePosixPath(exe).name:
        raise AttachError(
            f"the interpreter of process {pid} ({exe}) is 32-bit or does not export the C API",
            "start it with `leakaudit run`",
        )
    raise NotPythonError(
        f"process {pid} ({exe}) is not a Python process", "give the pid of the interpreter itself"
    )


def version_of(memory: Readable, runtime: Runtime) -> tuple[int, ...] | None:
    """Return (major, minor, micro), before 3.11 only (major, minor), and None before 3.8; raises OSError."""
    if "Py_Version" in runtime.symbols:
        number = int.from_bytes(memory.read(runtime.symbols["Py_Version"].address, 4), "little")
        return number >> 24, number >> 16 & 255, number >> 8 & 255
    return next((version for name, version in _SINCE if name in runtime.symbols), None)


def is_free_threaded(runtime: Runtime) -> bool:
    """Tell whether the interpreter was built without a global interpreter lock."""
    return _FREE_THREADED in runtime.symbols


def _images(pid: int, exe: str) -> Iterator[procfs.Mapping]:
    # First the program, then libraries that are named after Python, then whatever else embeds one.
    starts = [
        mapping for mapping in procfs.read_maps(pid) if mapping.offset == 0 and mapping.path.startswith("/")
    ]
    return iter(sorted(starts, key=lambda mapping: (mapping.path != exe, "python" not in mapping.path)))
