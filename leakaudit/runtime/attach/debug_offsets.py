"""What CPython 3.13 and later tells a debugger about its own memory (`_Py_DebugOffsets`, and PEP 768 from 3.14 on).

The table stands at the start of `_PyRuntime`: a cookie and then 64-bit words, each the offset of a field in some
structure. Words are appended within a structure from one minor version to the next, so those behind the first few are
known per version.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakaudit.runtime.attach.elf import Readable
    from leakaudit.runtime.attach.target import Runtime

_COOKIE = b"xdebugpy"
_FINALIZING, _INTERPRETERS_HEAD, _THREADS_MAIN = 4, 5, 10
#: Where the six words of `debugger_support` begin.
_DEBUGGER_SUPPORT = {(3, 14): 89, (3, 15): 105}
_WORDS = 128
_PATH_SIZE = 512


@dataclass(frozen=True, slots=True)
class RemoteSupport:
    """Addresses of what PEP 768 has a debugger write, for the main thread of the main interpreter."""

    enabled: bool
    eval_breaker: int
    pending: int
    script_path: int
    script_path_size: int


def is_finalizing(memory: Readable, runtime: Runtime) -> bool:
    """Tell whether the interpreter shuts down, as far as it says so (3.13+); raises OSError."""
    words = _table(memory, runtime, _FINALIZING + 1)
    start = runtime.symbols.get("_PyRuntime")
    return bool(words and start and any(memory.read(start.address + words[_FINALIZING], 8)))


def has_remote_support(version: tuple[int, ...] | None) -> bool:
    """Tell whether the layout of this version's PEP 768 fields is known."""
    return version is not None and version[:2] in _DEBUGGER_SUPPORT


def remote_support(
    memory: Readable, runtime: Runtime, version: tuple[int, ...] | None
) -> RemoteSupport | None:
    """Find the PEP 768 fields; None where the version has none, or they are not where they should be. Raises OSError."""
    if version is None or version[:2] not in _DEBUGGER_SUPPORT:
        return None
    words = _table(memory, runtime, _WORDS)
    if not words:
        return None
    at = _DEBUGGER_SUPPORT[version[0], version[1]]
    eval_breaker, support, enabled, pending, path, size = words[at : at + 6]
    interpreter = _word(memory, runtime.symbols["_PyRuntime"].address + words[_INTERPRETERS_HEAD])
    thread = _word(memory, interpreter + words[_THREADS_MAIN]) if interpreter else 0
    if size != _PATH_SIZE or not thread:
        return None
    return RemoteSupport(
        enabled=any(memory.read(interpreter + enabled, 4)),
        eval_breaker=thread + eval_breaker,
        pending=thread + support + pending,
        script_path=thread + support + path,
        script_path_size=size,
    )


def _table(memory: Readable, runtime: Runtime, words: int) -> tuple[int, ...]:
    start = runtime.symbols.get("_PyRuntime")
    if start is None or memory.read(start.address, 8) != _COOKIE:
        return ()
    return struct.unpack(f"<{words}Q", memory.read(start.address, 8 * words))


def _word(memory: Readable, address: int) -> int:
    return int.from_bytes(memory.read(address, 8), "little")
