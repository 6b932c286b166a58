"""Read Python objects in a process that runs on meanwhile: every pointer is checked, and what moves is read again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from leakaudit.runtime.attach.elf import Readable
    from leakaudit.runtime.passive.layout import Layout

TRIES = 5
MOST_ENTRIES = 1 << 17  # of a dict that is read whole: one of names, never one of data
MOST_TEXT = 4096
MOST_BASES = 16
_LARGEST = 1 << 40
_USER_SPACE = 1 << 47
_KEYS = struct.Struct("<8xBBBx4x8xQ")  # log2 of the slots, log2 of the index in bytes, kind, entries used
_ENTRY = {
    0: struct.Struct("<8xQQ"),
    1: struct.Struct("<QQ"),
}  # keys of any kind with their hashes, or strings only
_CLASS, _STR = 1 << 31, 1 << 28  # type flags
_READY = 0b11001  # a string of one byte per character, in one piece, ASCII

_P = ParamSpec("_P")
_Answer = TypeVar("_Answer")


class TornError(OSError):
    """What was read does not fit together: it changed meanwhile, or is no such object."""


class Entry(NamedTuple):
    """A key and a value of a dict, as addresses."""

    key: int
    value: int


def settled(
    read: Callable[Concatenate[Objects, _P], _Answer],
) -> Callable[Concatenate[Objects, _P], _Answer]:
    """Let a reader try again while what it reads changes under its eyes."""

    @wraps(read)
    def again(self: Objects, /, *arguments: _P.args, **options: _P.kwargs) -> _Answer:
        for _ in range(TRIES - 1):
            with suppress(OSError):
                return read(self, *arguments, **options)
        return read(self, *arguments, **options)

    return again


class Objects:
    """The objects of one process. All readers raise OSError for what cannot be read, TornError above all."""

    def __init__(self, memory: Readable, layout: Layout) -> None:
        self._memory, self._head = memory, layout.head
        self._ob_type = layout.ob_type
        self._flags: dict[int, int] = {}
        self._keys: dict[str, int] = {}
        self._text_shift = 2
        self.modules = self.word(layout.interpreter + layout.imports_modules)
        self._text_shift = self._find_text_shift()

    def read(self, address: int, size: int) -> bytes:
        """Return bytes; only where an object can be."""
        if not 4096 <= address < _USER_SPACE or (address % 8 and size == 8):
            raise TornError(f"{address:#x} is no address of an object")
        return self._memory.read(address, size)

    def word(self, address: int) -> int:
        """Return eight bytes as a number."""
        return int.from_bytes(self.read(address, 8), "little")

    def type_of(self, address: int) -> int:
        """Return the address of an object's type."""
        return self.word(address + self._ob_type)

    def type_name(self, kind: int) -> str:
        """Return a type's name, with its module where it is written in C."""
        raw = self.read(self.word(kind + self._type(0)), 64)
        name, end, _ = raw.partition(b"\0")
        if not end or not name:
            raise TornError(f"{kind:#x} is no type")
        return name.decode("utf-8", "replace")

    def bases(self, kind: int) -> Iterator[int]:
        """Yield a type and its first bases."""
        for _ in range(MOST_BASES):
            yield kind
            kind = self.word(kind + self._type(232))
            if not kind:
                return

    def is_class(self, address: int) -> bool:
        """Tell whether an object is a class."""
        return bool(self._type_flags(self.type_of(address)) & _CLASS)

    def is_module(self, address: int) -> bool:
        """Tell whether an object is a module, or of a type derived from that."""
        return any(self.type_name(kind) == "module" for kind in self.bases(self.type_of(address)))

    def names(self, address: int) -> int:
        """Return the dict of a module's or a class's names."""
        if self.is_class(address):
            return self.word(address + self._type(240))
        return self.word(address + self._head)

    def size(self, address: int, offset: int = 0) -> int:
        """Return the length that stands so many bytes behind an object's head."""
        size = self.word(address + self._head + offset)
        if size >= _LARGEST:
            raise TornError(f"{size} is no length")
        return size

    def field(self, address: int, number: int) -> int:
        """Return a word behind an object's head."""
        return self.word(address + self._head + 8 * number)

    @settled
    def text(self, address: int) -> str:
        """Return a string."""
        if not self._type_flags(self.type_of(address)) & _STR:
            raise TornError(f"{address:#x} is no string")
        length, state = self.size(address), self._state(address)
        if length > MOST_TEXT or not state & 0b01000:
            raise TornError(f"{address:#x} is no string in one piece")
        ascii_only, width = bool(state & 0b10000), state & 0b111
        if width not in (1, 2, 4):
            raise TornError(f"{address:#x} is no string")
        start = address + self._head + (24 if ascii_only else 40)
        encoding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[width]
        return self.read(start, length * width).decode(encoding, "surrogatepass") if length else ""

    @settled
    def entries(self, mapping: int, most: int = MOST_ENTRIES) -> list[Entry]:
        """Return a dict's entries in their order, the first so many; values in instances are not looked up."""
        head = self.read(mapping + self._head, 32)
        used, _, keys, values = struct.unpack("<4Q", head)
        table = self.read(keys, 32)
        log_slots, log_index, kind, count = _KEYS.unpack(table)
        if values or used > count or log_slots > 40 or count > 1 << log_slots or kind not in _ENTRY:
            raise TornError(f"{mapping:#x} is no dict of its own")
        layout, count = _ENTRY[kind], min(count, most)
        raw = self.read(keys + 32 + (1 << log_index), layout.size * count) if count else b""
        if self.read(mapping + self._head, 32) != head or self.read(keys, 32) != table:
            raise TornError("the dict changed")
        return [Entry(key, value) for key, value in layout.iter_unpack(raw) if key and value]

    @settled
    def find(self, mapping: int, name: str) -> int:
        """Return the value under a name, 0 where there is none."""
        entries, known = self.entries(mapping), self._keys.get(name)
        for entry in sorted(
            entries, key=lambda entry: entry.key != known
        ):  # most names are one string everywhere
            if self._is_text(entry.key, name):
                self._keys[name] = entry.key
                return entry.value
        return 0

    def _is_text(self, address: int, text: str) -> bool:
        if self.size(address) != len(text):
            return False
        if text.isascii() and self._state(address) == _READY:
            return self.read(address + self._head + 24, len(text)) == text.encode()
        return self.text(address) == text

    def _state(self, address: int) -> int:
        state = int.from_bytes(self.read(address + self._head + 16, 4), "little")
        return state >> self._text_shift & 0b11111

    def _find_text_shift(self) -> int:
        """Find where a string describes itself, which differs between builds, by the name of the first module."""
        first = self.entries(self.modules, 1)
        for self._text_shift in (2, 8, 16):
            if first and self._state(first[0].key) == _READY:
                return self._text_shift
        raise TornError("the first module has no name")

    def _type(self, offset: int) -> int:
        """Return where a field of a type lies that is so far from its name."""
        return self._head + 8 + offset

    def _type_flags(self, kind: int) -> int:
        # Which kinds of object a type makes never changes, and types of types are few.
        if kind not in self._flags:
            self._flags[kind] = self.word(kind + self._type(144))
        return self._flags[kind]
