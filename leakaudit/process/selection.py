"""Which processes to look at: by id, by what their command line says, with or without their descendants."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from leakaudit.errors import UsageError
from leakaudit.process import naming
from leakaudit.process.sample import Stat
from leakaudit.process.sampler import Reader

YOUNG_S = 2.0  # a process may still become another program


@dataclass(frozen=True, slots=True)
class Member:
    """A process that is looked at. (pid, started) is its identity: pids are used again."""

    pid: int
    started: float
    label: str
    group: str
    names: frozenset[str]
    command: tuple[str, ...]

    @property
    def key(self) -> tuple[int, float]:
        """The process's identity."""
        return self.pid, self.started


@dataclass(frozen=True, slots=True)
class Grouping:
    """A named group: the processes whose label or command line the pattern finds."""

    name: str
    pattern: re.Pattern[str]


def parse_pattern(text: str, option: str) -> re.Pattern[str]:
    """Compile what the user wrote; raises UsageError."""
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(
            f"{option} {text!r} is not a regular expression ({error})", "quote what it is to find as it is"
        ) from error


def parse_grouping(text: str) -> Grouping:
    """Return the group of `NAME=REGEX` or `REGEX`, which then is its name too; raises UsageError."""
    match = re.match(r"([\w-]+)=(?=.)", text)
    pattern = text[match.end() :] if match else text
    return Grouping(match[1] if match else text, parse_pattern(pattern, "--group"))


class Selection:
    """Finds the processes that were asked for, again at each moment, because they come and go."""

    def __init__(
        self,
        reader: Reader,
        pids: Sequence[int] = (),
        match: re.Pattern[str] | None = None,
        *,
        children: bool = False,
        groups: Sequence[Grouping] = (),
    ) -> None:
        self._reader = reader
        self._pids = tuple(pids)
        self._match = match
        self._children = children
        self._groups = tuple(groups)
        self._roots: dict[int, float] = {}
        self._known: dict[tuple[int, float], Member] = {}

    def start(self, table: Mapping[int, Stat]) -> None:
        """Fix the processes named by id; raises UsageError if one of them is not there, or if nothing matches."""
        for pid in self._pids:
            stat = table.get(pid)
            if stat is None:
                raise UsageError(f"there is no process {pid}", "see `ps -e`, or pass --match REGEX")
            if stat.is_zombie:
                raise UsageError(f"process {pid} has ended and only waits to be reaped", "look at its parent")
            self._roots[pid] = stat.started
        if not self.find(table):
            text = self._match.pattern if self._match else ""
            raise UsageError(
                f"no command line of a running process matches {text!r}",
                "see `ps -ef`; the pattern is a regular expression, found anywhere in the command line",
            )

    def find(self, table: Mapping[int, Stat]) -> dict[int, Member]:
        """Return pid -> member of those that are alive now."""
        found = {
            pid for pid, started in self._roots.items() if pid in table and table[pid].started == started
        }
        alive = {
            pid: self._member(stat) for pid, stat in table.items() if not stat.is_zombie and self._wanted(pid)
        }
        if self._match:
            ours = set(ancestors(os.getpid(), table))  # their command lines hold the pattern too
            found |= {
                pid
                for pid, member in alive.items()
                if pid not in ours and self._match.search(" ".join(member.command) or member.label)
            }
        if self._children:
            found |= set(descendants(found, table)) - {os.getpid()}
        kept = {pid: self._member(table[pid]) for pid in found if not table[pid].is_zombie}
        self._known = {
            m.key: m for m in (*alive.values(), *kept.values()) if time.time() - m.started > YOUNG_S
        }
        return kept

    def _wanted(self, pid: int) -> bool:
        return self._match is not None or pid in self._roots

    def _member(self, stat: Stat) -> Member:
        known = self._known.get((stat.pid, stat.started))
        if known:
            return known
        command = self._reader.command(stat.pid)
        label = naming.label(command, stat.name)
        return Member(
            stat.pid, stat.started, label, self._group(label, command), naming.names(command, label), command
        )

    def _group(self, label: str, command: tuple[str, ...]) -> str:
        for group in self._groups:
            if group.pattern.search(label) or group.pattern.search(" ".join(command)):
                return group.name
        return naming.group_of(label)


def ancestors(pid: int, table: Mapping[int, Stat]) -> Iterator[int]:
    """Yield a process and all above it."""
    seen: set[int] = set()
    while pid in table and pid not in seen:
        seen.add(pid)
        yield pid
        pid = table[pid].parent


def descendants(roots: set[int], table: Mapping[int, Stat]) -> Iterator[int]:
    """Yield all processes below the roots, the roots left out."""
    below: dict[int, list[int]] = {}
    for stat in table.values():
        below.setdefault(stat.parent, []).append(stat.pid)
    waiting, seen = list(roots), set(roots)
    while waiting:
        for pid in below.get(waiting.pop(), ()):
            if pid not in seen:
                seen.add(pid)
                waiting.append(pid)
                yield pid
