"""The small nouns of the linked project: places, events with their file, containers with all their events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from leakaudit.facts.model import Container, Event


class Place(NamedTuple):
    """Something that stands in a file: `path` and a class qualname, function index or owner."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Seen:
    """An event with the file that it stands in. `sure` is False when only its attribute's name speaks for it."""

    path: str
    event: Event
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Caller:
    """A function (index -1: module level) that calls another, or passes it along as a value."""

    path: str
    func: int
    passed: bool = False
    looped: bool = False  # the call is made inside a loop without end


@dataclass(slots=True)
class Subject:
    """A container with everything that the whole project does to it."""

    path: str
    container: Container
    seen: list[Seen] = field(default_factory=list)
    uses: int = 0

    @property
    def owner(self) -> str:
        """The owner string of the container."""
        return self.container.owner

    @property
    def name(self) -> str:
        """The bare name: the last part of the owner."""
        return self.container.owner.partition(":")[2].rpartition(".")[2]

    @property
    def scope(self) -> str:
        """i, c, m, l or d: what kind of owner it has."""
        return self.container.owner[0]

    @property
    def cls(self) -> str:
        """The qualified name of the class that owns it, or ""."""
        return self.container.owner.partition(":")[2].rpartition(".")[0] if self.scope in "ic" else ""

    def events(self, *ops: int) -> list[Seen]:
        """The events of these kinds, in file order."""
        return [s for s in self.seen if s.event.op in ops]
