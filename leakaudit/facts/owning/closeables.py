"""Objects that have to be closed though no table names their makers: told by their class, or by what it is called."""

from __future__ import annotations

from functools import cached_property

from leakaudit.facts.answers import words
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.owning.ownership import Resource, tagged, teardowns
from leakaudit.facts.project import Project

#: Last words of the names of classes that hold descriptors, threads or connections wherever they come from.
_THINGS = frozenset("socketpair pool channel resolver connector transport selector watcher".split())
_UNMISTAKABLE = frozenset(("resolver", "connector", "selector", "socketpair"))
#: What a pool keeps open: one of buffers or of green threads needs no end.
_POOLED = frozenset("connection thread process session client worker socket channel".split())
_HOPS = 3


class Closeables:
    """Answers for the classes of one project; keeps what it found out."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._holds: dict[Place, bool] = {}

    def made(self, path: str, func: int, tag: str) -> Resource | None:
        """Return what has to be closed of what a tag says is made (see facts.origins), or None."""
        known = tagged(self._project, path, func, tag, 1)
        verb, _, name = tag.partition(":")
        if known is not None or verb != "new":
            return known
        named = words(name.rpartition(".")[2]) or [""]
        kind = named[-1]
        cls = self._project.class_named(name, path)
        if cls is not None:
            return Resource(kind, 2) if self.holds(cls) else None
        sure = len(named) > 1 or kind in _UNMISTAKABLE  # a `Pool` or a `Session` may be anything
        if kind == "pool" and not _POOLED & {*named}:
            return None
        return Resource(kind, 2) if kind in _THINGS and sure else None

    def holds(self, cls: Place, hops: int = _HOPS) -> bool:
        """Tell whether instances of a class of the project keep something open until they are ended."""
        if cls not in self._holds:
            self._holds[cls] = False
            project = self._project
            ends = (
                project.function(*at)
                for name, at in teardowns(project, cls).items()
                if name[:2] == "__" or name[:1] != "_"  # a private end is a part of its own work
            )
            self._holds[cls] = any(f is not None and f.calls for f in ends) and any(
                self._keeps(place, hops) for place in project.mro(cls)
            )
        return self._holds[cls]

    def _keeps(self, place: Place, hops: int) -> bool:
        for func, tag in self._made.get(place, ()):
            if tagged(self._project, place.path, func, tag, 1) is not None:
                return True
            inner = self._project.class_named(tag[4:], place.path) if tag.startswith("new:") else None
            if inner is not None and hops and self.holds(inner, hops - 1):
                return True
        return False

    @cached_property
    def _made(self) -> dict[Place, list[tuple[int, str]]]:
        """Class -> (function, tag) of what its instances make and keep."""
        found: dict[Place, list[tuple[int, str]]] = {}
        for path, facts in self._project.files.items():
            for owner, origins, _, func in facts.stored:
                if owner.startswith("i:"):
                    tags = [tag for tag in origins.split("|") if tag.startswith(("new:", "call:"))]
                    place = Place(path, owner[2:].rpartition(".")[0])
                    found.setdefault(place, []).extend((func, tag) for tag in tags)
        return found
