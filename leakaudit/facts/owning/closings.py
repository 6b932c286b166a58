"""What a project closes: which attributes does anything close, or hand to something that closes?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.owning.ownership import Resource, closes
from leakaudit.facts.project import Project


class Closings:
    """Which attributes of a project, by name, does anything close or hand to something that closes?"""

    def __init__(self, project: Project) -> None:
        self._project = project

    def _ended(self, attribute: str) -> Iterator[tuple[str, Place | None, str]]:
        """Yield (file, class if its instances have the attribute, method) of the methods called on it or passed along."""
        called = self._project.callers.on_attribute(attribute)
        for path, name in chain(called, self._kept.get(attribute, ())):
            owner, _, method = name.rpartition(".")
            cls = owner.partition(":")[2].rpartition(".")[0]
            known = owner.startswith(("i:", "c:")) and self._is_class(path, cls)
            yield path, Place(path, cls) if known else None, method

    @cached_property
    def _kept(self) -> dict[str, list[tuple[str, str]]]:
        """The methods of attributes that instances keep to call them later: `self._closer = self.file.close`."""
        found: dict[str, list[tuple[str, str]]] = {}
        for path, facts in self._project.files.items():
            for owner, tags, _, _ in facts.stored:
                first = tags.partition("|")[0]
                if owner.startswith("i:") and first.startswith("attr:self."):
                    name = owner.rpartition(".")[0] + first.removeprefix("attr:self")
                    found.setdefault(name.rpartition(".")[0].rpartition(".")[2], []).append((path, name))
        return found

    def _is_class(self, path: str, cls: str) -> bool:
        return bool(cls) and self._project.class_at(Place(path, cls)) is not None

    def methods(self, cls: Place, attribute: str) -> set[str]:
        """Return the methods that are called on an attribute of a class, or passed along, as far as names tell."""
        related = {*self._project.mro(cls), *self._project.subclasses.get(cls, ())}
        found = {
            method
            for path, owner, method in self._ended(attribute)
            if (owner in related if owner is not None else self._is_near(path, cls.path))
        }
        for accessor in self._accessors(cls, attribute):
            found.update(method for _, owner, method in self._ended(accessor) if owner in related)
        return found

    def _accessors(self, cls: Place, attribute: str) -> Iterator[str]:
        """The properties that make what an attribute holds, and so stand for it."""
        for owner, _, _, func in self._project.files[cls.path].stored:
            maker = self._project.function(cls.path, func)
            if owner == f"i:{cls.name}.{attribute}" and maker is not None and maker.kind == "property":
                yield maker.name

    def is_closed(self, cls: Place, attribute: str, resource: Resource) -> bool:
        """Tell whether any code of the project closes that attribute of a class, or hands its closer on."""
        return any(closes(method, resource) for method in self.methods(cls, attribute))

    def is_closed_elsewhere(self, cls: Place, attribute: str, resource: Resource) -> bool:
        """Tell whether code that sees the object from outside, as far as names tell, closes that attribute."""
        return any(
            owner is None and closes(method, resource) and self._is_near(path, cls.path)
            for path, owner, method in self._ended(attribute)
        )

    def _is_near(self, path: str, other: str) -> bool:
        """Whether two files belong to one package, so that one may handle what the other's classes hold."""
        names = [self._project.module_name(p).partition(".") for p in (path, other)]
        return path == other or (names[0][0] == names[1][0] and bool(names[0][2] or names[1][2]))
