"""Index over a project: which attributes does anything close, or hand to something that closes?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from leakaudit.facts.linked import Place
from leakaudit.facts.model import FileFacts
from leakaudit.facts.ownership import Resource, closes
from leakaudit.facts.project import Project


class Closings:
    """Index over the project: which attributes, by name, anything closes or hands to something that closes."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def _ended(self) -> tuple[dict[tuple[Place, str], set[str]], dict[str, set[tuple[str, str]]]]:
        """Methods called on attributes or passed along: by (class, attribute), else by attribute with the file."""
        own: dict[tuple[Place, str], set[str]] = {}
        loose: dict[str, set[tuple[str, str]]] = {}
        for path, facts in self._project.files.items():
            for name in (*facts.called_names(), *_kept(facts)):
                owner, dot, method = name.rpartition(".")
                if not dot:
                    continue
                cls, _, attribute = owner.partition(":")[2].rpartition(".")
                if owner.startswith(("i:", "c:")) and self._is_class(path, cls):
                    own.setdefault((Place(path, cls), attribute), set()).add(method)
                elif attribute:
                    loose.setdefault(attribute, set()).add((path, method))
        return own, loose

    def _is_class(self, path: str, cls: str) -> bool:
        return bool(cls) and self._project.class_at(Place(path, cls)) is not None

    def methods(self, cls: Place, attribute: str) -> set[str]:
        """Return the methods that are called on an attribute of a class, or passed along, as far as names tell."""
        own, loose = self._ended
        project = self._project
        related = (*project.mro(cls), *project.subclasses.get(cls, ()))
        names = {attribute, *self._accessors(cls, attribute)}
        found = {method for place in related for name in names for method in own.get((place, name), ())}
        return found | {m for path, m in loose.get(attribute, ()) if self._is_near(path, cls.path)}

    def _accessors(self, cls: Place, attribute: str) -> Iterator[str]:
        """The properties that make what an attribute holds, and so stand for it."""
        facts = self._project.files[cls.path]
        for owner, _, _, func in facts.stored:
            maker = self._project.function(cls.path, func)
            if owner == f"i:{cls.name}.{attribute}" and maker is not None and maker.kind == "property":
                yield maker.name

    def is_closed(self, cls: Place, attribute: str, resource: Resource) -> bool:
        """Tell whether any code of the project closes that attribute of a class, or hands its closer on."""
        return any(closes(method, resource) for method in self.methods(cls, attribute))

    def is_closed_elsewhere(self, cls: Place, attribute: str, resource: Resource) -> bool:
        """Tell whether code that sees the object from outside, as far as names tell, closes that attribute."""
        near = (m for path, m in self._ended[1].get(attribute, ()) if self._is_near(path, cls.path))
        return any(closes(method, resource) for method in near)

    def _is_near(self, path: str, other: str) -> bool:
        """Whether two files belong to one package, so that one may handle what the other's classes hold."""
        names = [self._project.module_name(p).partition(".") for p in (path, other)]
        return path == other or (names[0][0] == names[1][0] and bool(names[0][2] or names[1][2]))


def _kept(facts: FileFacts) -> Iterator[str]:
    """The methods of attributes that an instance keeps to call them later: `self._closer = self.file.close`."""
    for owner, tags, _, _ in facts.stored:
        first = tags.partition("|")[0]
        if owner.startswith("i:") and first.startswith("attr:self."):
            yield owner.rpartition(".")[0] + first.removeprefix("attr:self")
