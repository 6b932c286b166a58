"""Symbols are found in images as the loader mapped them."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from leakaudit.runtime.attach.elf import ElfError, Image, read_image
from leakaudit.runtime.attach.procfs import Memory, read_maps

NAMES = ("getpid", "open", "no_such_symbol", "memcpy", "Py_IsInitialized", "leak_one", "leak_two")


def mapped(library: str) -> int:
    return next(
        mapping.start for mapping in read_maps(os.getpid()) if library in mapping.path and not mapping.offset
    )


def address_of(function: object) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory(os.getpid()) as memory:
        yield memory


def test_address_is_the_one_that_the_loader_uses(memory: Memory) -> None:
    found = read_image(memory, mapped("/libc.so")).find(memory, NAMES)
    assert found["getpid"].address == address_of(ctypes.CDLL(None).getpid)
    assert found["getpid"].size > 0
    assert "no_such_symbol" not in found


def test_imported_symbol_is_not_defined(memory: Memory) -> None:
    exe = os.path.realpath(sys.executable)
    starts = [
        m.start for m in read_maps(os.getpid()) if not m.offset and (m.path == exe or "libpython" in m.path)
    ]
    images = [read_image(memory, start) for start in starts]
    python = next(image for image in images if "Py_IsInitialized" in image.find(memory, NAMES))
    assert "getpid" not in python.find(memory, NAMES)


@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_both_kinds_of_hash_table(
    style: str, tmp_path: Path, memory: Memory, missing: Callable[[str], NoReturn]
) -> None:
    if shutil.which("gcc") is None:
        missing("no C compiler")
    source, library = tmp_path / "leak.c", tmp_path / f"libleak_{style}.so"
    source.write_text("int leak_one(void) { return 1; } int leak_two(void) { return 2; }")
    subprocess.run(("gcc", "-shared", f"-Wl,--hash-style={style}", "-o", library, source), check=True)
    loaded = ctypes.CDLL(str(library))
    found = read_image(memory, mapped(library.name)).find(memory, NAMES)
    assert found.keys() == {"leak_one", "leak_two"}
    assert found["leak_two"].address == address_of(loaded.leak_two)


def test_deleted_file_is_read_from_memory(
    tmp_path: Path, memory: Memory, missing: Callable[[str], NoReturn]
) -> None:
    if shutil.which("gcc") is None:
        missing("no C compiler")
    source, library = tmp_path / "gone.c", tmp_path / "libgone.so"
    source.write_text("int leak_one(void) { return 1; }")
    subprocess.run(("gcc", "-shared", "-o", library, source), check=True)
    loaded = ctypes.CDLL(str(library))
    library.unlink()
    assert read_image(memory, mapped("libgone.so")).find(memory, NAMES)["leak_one"].address == address_of(
        loaded.leak_one
    )


class Bytes:
    """Memory that holds these bytes from address 0 on."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, address: int, size: int) -> bytes:
        if address + size > len(self.content):
            raise OSError("out of range")
        return self.content[address : address + size]


def header(ident: bytes = b"\x7fELF\x02\x01", segments: int = 0, entry_size: int = 56) -> bytes:
    return struct.pack("<16sHHIQQQIHHH", ident, 3, 62, 1, 0, 64, 0, 0, 64, entry_size, segments) + bytes(6)


@pytest.mark.parametrize(
    "content",
    [
        header(ident=b"#!/bin/sh"),
        header(ident=b"\x7fELF\x01\x01"),
        header(ident=b"\x7fELF\x02\x02"),
        header(entry_size=32),
        header(segments=0),
        header(segments=1) + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 100, 100, 4096),
        header(segments=2)
        + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 500, 500, 4096)
        + struct.pack("<IIQQQQQQ", 2, 5, 0, 176, 176, 16, 16, 8)
        + bytes(16),
    ],
    ids=["text", "32-bit", "big-endian", "odd", "no segments", "no dynamic segment", "no tables"],
)
def test_what_is_not_understood_is_refused(content: bytes) -> None:
    with pytest.raises(ElfError):
        read_image(Bytes(content), 0)


def test_damaged_hash_chain_ends() -> None:
    # A chain that leads back to itself: bucket 0 -> entry 1 -> entry 1 ...
    table = struct.pack("<II", 1, 2) + struct.pack("<I", 1) + struct.pack("<II", 0, 1)
    symbols = bytes(24) + struct.pack("<IBBHQQ", 0, 0, 0, 1, 0, 0)
    image = Image(62, 0, {4: 0, 5: 100, 6: 40})
    content = (table.ljust(40, b"\0") + symbols).ljust(200, b"\0")
    assert image.find(Bytes(content), ("getpid",)) == {}
