"""Find the exported symbols of an ELF file that is mapped in a process (64-bit, little endian).

Everything is read from the mapped image itself, not from the file: so the file may be deleted, stripped,
non-PIE, or lie in another root, and no privilege beyond reading the memory is needed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE = 4096
_IDENT = b"\x7fELF\x02\x01"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_GNU_HASH = 4, 5, 6, 0x6FFFFEF5
_WANTED_TABLES = (_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_GNU_HASH)
_HEADER = struct.Struct("<16sHHIQQQIHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
#: A damaged table must not make us walk for ever.
_MAX_ENTRIES = 1 << 16


class Readable(Protocol):
    """Anything that returns bytes by address, and raises OSError where there are none."""

    def read(self, address: int, size: int) -> bytes: ...


class ElfError(Exception):
    """The bytes are not an ELF image that this module understands."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """Where a symbol lies in the process, and its size in bytes."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """A mapped ELF file: its machine, and the tables that lead from a name to an address."""

    machine: int
    bias: int
    tables: dict[int, int]

    def find(self, memory: Readable, names: Iterable[str]) -> dict[str, Symbol]:
        """Return those of `names` that the image defines; raises OSError."""
        found = {name: self._find(memory, name) for name in names}
        return {name: symbol for name, symbol in found.items() if symbol is not None}

    def _find(self, memory: Readable, name: str) -> Symbol | None:
        gnu = self.tables.get(_DT_GNU_HASH)
        candidates = (
            _by_sysv_hash(memory, self.tables[_DT_HASH], name)
            if gnu is None
            else _by_gnu_hash(memory, gnu, name)
        )
        for index in candidates:
            entry = memory.read(self.tables[_DT_SYMTAB] + index * _SYMBOL.size, _SYMBOL.size)
            offset, _info, _other, section, value, size = _SYMBOL.unpack(entry)
            wanted = name.encode() + b"\0"
            if section and memory.read(self.tables[_DT_STRTAB] + offset, len(wanted)) == wanted:
                return Symbol(self.bias + value, size)
        return None


def read_image(memory: Readable, start: int) -> Image:
    """Read the ELF image whose first byte is mapped at `start`; raises OSError, ElfError."""
    ident, _kind, machine, _version, _entry, table, _sections, _flags, _size, entry_size, count = (
        _HEADER.unpack(memory.read(start, _HEADER.size))
    )
    if not ident.startswith(_IDENT) or entry_size != _SEGMENT.size:
        raise ElfError("not a 64-bit little-endian ELF image")
    segments = list(_SEGMENT.iter_unpack(memory.read(start + table, entry_size * count)))
    loads = [address for kind, _, _, address, *_ in segments if kind == _PT_LOAD]
    dynamic = [(address, size) for kind, _, _, address, _, _, size, _ in segments if kind == _PT_DYNAMIC]
    if not loads or not dynamic:
        raise ElfError("the image has no dynamic symbols")
    bias = start - loads[0] // PAGE * PAGE
    tables = dict(_tables(memory.read(bias + dynamic[0][0], dynamic[0][1]), bias))
    if _DT_SYMTAB not in tables or _DT_STRTAB not in tables or not {_DT_HASH, _DT_GNU_HASH} & tables.keys():
        raise ElfError("the image has no symbol table")
    return Image(machine, bias, tables)


def _tables(dynamic: bytes, bias: int) -> Iterator[tuple[int, int]]:
    for tag, value in struct.iter_unpack("<QQ", dynamic[: len(dynamic) // 16 * 16]):
        if tag == 0:
            return
        if tag in _WANTED_TABLES:
            # glibc rewrites these to absolute addresses when it loads the file; musl leaves them relative.
            yield tag, value if value >= bias else bias + value


def _by_gnu_hash(memory: Readable, table: int, name: str) -> Iterator[int]:
    bucket_count, first, bloom_size, _shift = struct.unpack("<4I", memory.read(table, 16))
    buckets = table + 16 + 8 * bloom_size
    chains = buckets + 4 * bucket_count
    wanted = _gnu_hash(name)
    start = _u32(memory, buckets + 4 * (wanted % bucket_count)) if bucket_count else 0
    if start < first:
        return
    for index in range(start, start + _MAX_ENTRIES):
        chained = _u32(memory, chains + 4 * (index - first))
        if chained | 1 == wanted | 1:
            yield index
        if chained & 1:
            return


def _by_sysv_hash(memory: Readable, table: int, name: str) -> Iterator[int]:
    bucket_count = _u32(memory, table)
    index = _u32(memory, table + 8 + 4 * (_sysv_hash(name) % bucket_count)) if bucket_count else 0
    for _ in range(_MAX_ENTRIES):
        if not index:
            return
        yield index
        index = _u32(memory, table + 8 + 4 * (bucket_count + index))


def _gnu_hash(name: str) -> int:
    value = 5381
    for byte in name.encode():
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def _sysv_hash(name: str) -> int:
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high
    return value


def _u32(memory: Readable, address: int) -> int:
    return int.from_bytes(memory.read(address, 4), "little")
