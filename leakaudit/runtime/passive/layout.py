"""Where CPython 3.13 and later keeps what we read, from its own table of offsets (`_Py_DebugOffsets`).

The table gives the size of an object's head and where the interpreter keeps its modules; both differ between versions,
and between builds with and without the interpreter lock. The few structures behind the head have been the same in all
of them (Objects/dictobject.c, listobject.c, setobject.c, Modules/_collectionsmodule.c), and what is read is checked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakaudit.runtime.attach.elf import Readable
    from leakaudit.runtime.attach.target import Runtime

_COOKIE = b"xdebugpy"
_WORDS = 72
_FREE_THREADED, _INTERPRETERS_HEAD, _ID, _NEXT = 1, 4, 6, 7
_MOST_INTERPRETERS = 64
#: Version -> the words that hold `interpreter_state.imports_modules` and `pyobject.ob_type`.
_PLACES = {(3, 13): (10, 44), (3, 14): (11, 50), (3, 15): (11, 58)}
_HEADS = {0: 16, 1: 32}  # without and with free threading


@dataclass(frozen=True, slots=True)
class Layout:
    """Addresses and offsets in one process. `head` is the size of an object's common part, in bytes."""

    interpreter: int
    imports_modules: int
    head: int

    @property
    def ob_type(self) -> int:
        """Where an object names its type: last in its head."""
        return self.head - 8


def read_layout(memory: Readable, runtime: Runtime, version: tuple[int, ...] | None) -> Layout | str:
    """Return the layout, or why there is none; raises OSError."""
    if version is None or version[:2] < (3, 13):
        return "before Python 3.13 the interpreter does not tell where its containers lie"
    if version[:2] not in _PLACES:
        return f"the layout of Python {version[0]}.{version[1]} is not known"
    start = runtime.symbols.get("_PyRuntime")
    if start is None or memory.read(start.address, 8) != _COOKIE:
        return "the interpreter does not export the table of its own layout"
    words = struct.unpack(f"<{_WORDS}Q", memory.read(start.address + 8, 8 * _WORDS))
    modules, ob_type = (words[place] for place in _PLACES[version[0], version[1]])
    head = _HEADS.get(words[_FREE_THREADED])
    if words[0] >> 16 != version[0] << 8 | version[1] or head is None or ob_type != head - 8:
        return "the interpreter's table of its own layout is not as expected"
    interpreter = _main(
        memory, _word(memory, start.address + words[_INTERPRETERS_HEAD]), words[_ID], words[_NEXT]
    )
    if not interpreter:
        return "there is no interpreter yet, or none any more"
    return Layout(interpreter, modules, head)


def _main(memory: Readable, interpreter: int, number: int, following: int) -> int:
    """Return the main interpreter, 0 if there is none: those of later birth stand before it."""
    for _ in range(_MOST_INTERPRETERS):
        if not interpreter or not _word(memory, interpreter + number):
            return interpreter
        interpreter = _word(memory, interpreter + following)
    return 0


def _word(memory: Readable, address: int) -> int:
    return int.from_bytes(memory.read(address, 8), "little")
