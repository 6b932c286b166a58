"""Index over a project: which attributes does anything close, or hand to something that closes?"""

from __future__ import annotations

from functools import cached_property

from leakaudit.facts.linked import Place
from leakaudit.facts.ownership import Resource, closes
from leakaudit.facts.project import Project


class Closings:
    """Index over the project: which attributes, by name, anything closes or hands to something that closes."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def _ended(self) -> tuple[dict[tuple[Place, str], set[str]], dict[str, set[str]]]:
        """Methods called on attributes or passed along: by (class, attribute) where the class is known, else by attribute."""
        own: dict[tuple[Place, str], set[str]] = {}
        loose: dict[str, set[str]] = {}
        for path, facts in self._project.files.items():
            for function in facts.functions:
                for name in (*function.calls, *function.refs):
                    owner, _, method = name.rpartition(".")
                    cls, _, attribute = owner.partition(":")[2].rpartition(".")
                    if owner.startswith(("i:", "c:")) and self._is_class(path, cls):
                        own.setdefault((Place(path, cls), attribute), set()).add(method)
                    elif attribute:
                        loose.setdefault(attribute, set()).add(method)
        return own, loose

    def _is_class(self, path: str, cls: str) -> bool:
        return bool(cls) and self._project.class_at(Place(path, cls)) is not None

    def is_closed(self, cls: Place, attribute: str, resource: Resource) -> bool:
        """Tell whether any code of the project closes that attribute of a class, or hands its closer on."""
        own, loose = self._ended
        project = self._project
        related = (*project.mro(cls), *project.subclasses.get(cls, ()))
        methods = loose.get(attribute, set()).union(*(own.get((place, attribute), ()) for place in related))
        return any(closes(method, resource) for method in methods)
