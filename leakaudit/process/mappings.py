"""The memory mappings of a process, from /proc/PID/smaps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from leakaudit.process import procfs

HEAD = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+) *(.*)$")
FIELDS = {b"Rss:": "rss", b"Pss:": "pss", b"AnonHugePages:": "huge", b"Swap:": "swap"}


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping: addresses, permissions such as `rw-p`, what is mapped ("" is anonymous), and its bytes."""

    start: int
    end: int
    permissions: str
    name: str
    rss: int = 0
    pss: int = 0
    huge: int = 0
    swap: int = 0

    @property
    def size(self) -> int:
        """The bytes of address space."""
        return self.end - self.start

    @property
    def is_anonymous(self) -> bool:
        """Whether nothing but zeroes was mapped. The kernel may give such memory a name of its own: [anon:...]."""
        return not self.name or self.name.startswith("[anon")

    @property
    def is_guard(self) -> bool:
        """Whether the mapping only keeps addresses from use."""
        return self.is_anonymous and self.permissions.startswith("---")


def read(pid: int) -> tuple[Mapping, ...] | None:
    """Return all mappings in order of address; None if that is denied or the process is gone."""
    raw = procfs.read(f"/proc/{pid}/smaps")
    return parse(raw) if raw else None


def parse(raw: bytes) -> tuple[Mapping, ...]:
    """Return the mappings that the text of an smaps file lists."""
    found: list[tuple[int, int, str, str]] = []
    values: list[dict[str, int]] = []
    for line in raw.splitlines():
        key, _, rest = line.partition(b" ")
        if key in FIELDS:
            values[-1][FIELDS[key]] = int(rest.split()[0]) * 1024
        elif not key.endswith(b":") and (match := HEAD.match(line)):
            start, end, permissions, _, name = match.groups()
            found.append((int(start, 16), int(end, 16), permissions.decode(), name.decode(errors="replace")))
            values.append({})
    return tuple(
        Mapping(*head, v.get("rss", 0), v.get("pss", 0), v.get("huge", 0), v.get("swap", 0))
        for head, v in zip(found, values, strict=True)
    )
