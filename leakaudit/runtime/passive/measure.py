"""What a container holds, seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.runtime.passive.objects import TRIES, TornError

if TYPE_CHECKING:
    from leakaudit.runtime.passive.objects import Objects

MOST_INSIDE = 128  # values whose lengths are read; what is more is reckoned from these
_NO_LIMIT = (1 << 64) - 1
_FEW = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """Entries, entries one level down (None where values are no containers), the limit, and who is first."""

    entries: int
    nested: int | None
    limit: int | None
    mark: int


@dataclass(frozen=True, slots=True)
class _Kind:
    length: Callable[[Objects, int], int]
    values: Callable[[Objects, int, int], Sequence[int]]


def _none(_objects: Objects, _address: int, _most: int) -> Sequence[int]:
    return ()


def _of_dict(objects: Objects, address: int, most: int) -> Sequence[int]:
    return [entry.value for entry in objects.entries(address, most)]


def _of_list(objects: Objects, address: int, most: int) -> Sequence[int]:
    count, items = min(objects.size(address), most), objects.field(address, 1)
    return [objects.word(items + 8 * number) for number in range(count)]


KINDS = {
    "dict": _Kind(lambda objects, at: objects.size(at), _of_dict),
    "list": _Kind(lambda objects, at: objects.size(at), _of_list),
    "set": _Kind(lambda objects, at: objects.size(at, 8), _none),
    "collections.deque": _Kind(lambda objects, at: objects.size(at), _none),
}


def kind_of(objects: Objects, address: int) -> str:
    """Return the name of the built-in container that an object is or derives from, "" for all others."""
    names = (objects.type_name(kind) for kind in objects.bases(objects.type_of(address)))
    return next((name for name in names if name in KINDS), "")


def measure(objects: Objects, address: int) -> Measured | None:
    """Return what a container holds, None for what is none; raises OSError."""
    name = kind_of(objects, address)
    if not name:
        return None
    entries = KINDS[name].length(objects, address)
    limit = None
    if name == "collections.deque":
        most = objects.field(address, 6)
        limit = None if most == _NO_LIMIT else most
    try:
        nested = _nested(objects, KINDS[name], address, entries)
        return Measured(entries, nested, limit, _mark(objects, address, name))
    except OSError:  # its entries change all the time, or lie elsewhere; its length is known all the same
        return Measured(entries, None, limit, 0)


def _nested(objects: Objects, kind: _Kind, address: int, entries: int) -> int | None:
    for _ in range(TRIES):
        with suppress(OSError):
            values = kind.values(objects, address, MOST_INSIDE)
            total = _inside(objects, values)
            # Who is still held afterwards was alive when it was read.
            if kind.values(objects, address, MOST_INSIDE) == values:
                return None if total is None else round(total * max(1.0, entries / len(values)))
    raise TornError("its entries change all the time")


def _inside(objects: Objects, values: Sequence[int]) -> int | None:
    first = [(value, kind_of(objects, value)) for value in values[:_FEW]]
    if not any(name for _, name in first):
        return None
    rest = ((value, kind_of(objects, value)) for value in values[_FEW:])
    return sum(KINDS[name].length(objects, value) for value, name in (*first, *rest) if name)


def _mark(objects: Objects, address: int, name: str) -> int:
    """Return the identity of the first entry, 0 where there is none or it is not to be had cheaply."""
    first = 0
    if name == "dict":
        entries = objects.entries(address, MOST_INSIDE)
        first = entries[0].key if entries else 0
    elif name == "list" and objects.size(address):
        first = objects.word(objects.field(address, 1))
    elif name == "collections.deque" and objects.size(address):
        block, index = objects.field(address, 1), objects.field(address, 3)
        first = objects.word(block + 8 + 8 * (index % 64))
    return first & 0xFFFFFFFF
