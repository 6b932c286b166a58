"""Who calls what. Names are kept by their parts, so that only those that somebody asks for are resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.facts.linking.linked import Caller, Place

if TYPE_CHECKING:
    from leakaudit.facts.model import Function
    from leakaudit.facts.project import Project

_Named = dict[str, list[tuple[str, str]]]


class Callers:
    """Index over all that the project calls or passes along: (file, name there) by the last part of the name."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._called = {path: facts.called_names() for path, facts in project.files.items()}
        self._order = {path: position for position, path in enumerate(project.files)}
        self._known: dict[tuple[str, int], list[Caller]] = {}
        self._targets: dict[tuple[str, str], tuple[str, int] | None] = {}

    def of(self, path: str, index: int) -> list[Caller]:
        """Return who calls a function or passes it along, in the order of the files."""
        target = (path, index)
        if target not in self._known:
            self._known[target] = list(self._find(target))
        return self._known[target]

    def mentions(self, last: str) -> bool:
        """Tell whether anything of that name is called or passed along."""
        return last in self._by_last

    def files_with(self, last: str) -> Iterable[str]:
        """Return the files that call or pass along something of that name, in their order."""
        return dict.fromkeys(path for path, _ in self._by_last.get(last, ()))

    def on_attribute(self, attribute: str) -> Iterable[tuple[str, str]]:
        """Return (file, name) of what functions call on an attribute of that name, or pass along of it."""
        return self._by_attribute.get(attribute, ())

    @cached_property
    def _by_last(self) -> _Named:
        found: _Named = {}
        for path, facts in self._project.files.items():
            for name in self._called[path].union(facts.module_calls, facts.module_refs):
                found.setdefault(name.rpartition(".")[2].rpartition(":")[2], []).append((path, name))
        return found

    @cached_property
    def _by_attribute(self) -> _Named:
        found: _Named = {}
        for path, names in self._called.items():
            for name in names:
                attribute = name.rpartition(".")[0].rpartition(".")[2].rpartition(":")[2]
                if attribute:
                    found.setdefault(attribute, []).append((path, name))
        return found

    def _find(self, target: tuple[str, int]) -> Iterator[Caller]:
        function = self._project.function(*target)
        if function is None:
            return
        meant: dict[str, set[str]] = {}
        local: set[str] = set()  # these mean something else in every function
        for last in self._spellings(target[0], function):
            for path, name in self._by_last.get(last, ()):
                if name.startswith("l:"):
                    if path == target[0] and function.parent >= 0:
                        local.add(name)
                elif self._target(path, name) == target:
                    meant.setdefault(path, set()).add(name)
        if local:
            meant.setdefault(target[0], set()).update(local)
        for path in sorted(meant, key=self._order.__getitem__):
            yield from self._in_file(path, meant[path], target)

    def _spellings(self, path: str, function: Function) -> set[str]:
        """The last parts of the names that may mean a function: a constructor is called by its class, or what that is renamed to."""
        if function.name != "__init__" or not function.cls:
            return {function.name}
        cls = Place(path, function.cls)
        classes = (cls, *self._project.subclasses.get(cls, ()))
        return {"__init__", *(place.name.rpartition(".")[2] for place in classes), *self._project.renamed}

    def _target(self, path: str, name: str) -> tuple[str, int] | None:
        key = (path, name)
        if key not in self._targets:
            self._targets[key] = self._project.callee(name, path, -1)
        return self._targets[key]

    def _in_file(self, path: str, names: set[str], target: tuple[str, int]) -> Iterator[Caller]:
        facts = self._project.files[path]
        levels = [(i, f.calls, f.refs, f.loop_calls) for i, f in enumerate(facts.functions)]
        levels.append((-1, facts.module_calls, facts.module_refs, ()))
        for index, calls, refs, looped in levels:
            if names.isdisjoint(calls) and names.isdisjoint(refs):
                continue
            for name in calls:
                if name in names and self._means(name, path, index, target):
                    yield Caller(path, index, looped=name in looped)
            for name in refs:
                if (
                    name in names
                    and name not in calls
                    and self._means(name, path, index, target)
                    and not self._project.is_class(name, path)
                ):
                    yield Caller(path, index, passed=True)

    def _means(self, name: str, path: str, index: int, target: tuple[str, int]) -> bool:
        return not name.startswith("l:") or self._project.callee(name, path, index) == target
