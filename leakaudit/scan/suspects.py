"""Ask every rule: those that query the linked project, then the syntactic ones, which share each file's tree."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from leakaudit.errors import SourceError
from leakaudit.facts.model import Class, Function
from leakaudit.facts.project import Project
from leakaudit.findings import Location
from leakaudit.findings.report import FileError
from leakaudit.scan.loader import failure_of
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Rule, Suspect, SyntacticRule
from leakaudit.source import SourceFile

Asked = tuple[Rule, Suspect, Module]


class Inquiry:
    """Iterates over (rule, suspect, its module); `errors` then holds the rules that failed, and on which file.

    `sources` stand for the files of their paths.
    """

    def __init__(
        self, project: Project, rules: Sequence[Rule], sources: Mapping[str, SourceFile] | None = None
    ) -> None:
        self.errors: list[FileError] = []
        self._project = project
        self._rules = rules
        self._sources = sources or {}
        self._modules: dict[str, Module] = {}

    def __iter__(self) -> Iterator[Asked]:
        for rule in self._rules:
            with self.surviving(rule):
                for suspect in rule.suspects(self._project):
                    yield rule, suspect, self._module(suspect.location.path)
        syntactic = [rule for rule in self._rules if isinstance(rule, SyntacticRule)]
        if syntactic:
            for path in self._project.files:
                yield from self._visits(path, syntactic)

    def _visits(self, path: str, rules: Sequence[SyntacticRule]) -> Iterator[Asked]:
        """The module is not kept: trees of all files would not fit into memory."""
        module = Module(path, self._sources.get(path))
        for rule in rules:
            with self.surviving(rule, path):
                if rule.text_filter in module.text:
                    for suspect in rule.visit(module):
                        yield rule, self._named(suspect), module

    @contextlib.contextmanager
    def surviving(self, rule: Rule, path: str = "") -> Iterator[None]:
        """Turn what a rule raises, over a file if one is named, into an error of the report."""
        try:
            yield
        except SourceError as error:
            problem = FileError(path, str(error))
            if problem not in self.errors:  # every rule that reads the file meets it
                self.errors.append(problem)
        except Exception as error:  # a rule is foreign code; the others go on
            self.errors.append(failure_of(rule, error, path))

    def _module(self, path: str) -> Module:
        if path not in self._modules:
            self._modules[path] = Module(path, self._sources.get(path))
        return self._modules[path]

    def _named(self, suspect: Suspect) -> Suspect:
        if suspect.symbol:
            return suspect
        path = suspect.location.path
        inner = _enclosing(self._project, suspect.location)
        module = self._project.module_name(path)
        return replace(suspect, symbol=f"{module}.{inner}" if inner else module)


def _enclosing(project: Project, place: Location) -> str:
    """Return the qualified name of the innermost function or class around a place, "" at module level."""
    facts = project.files[place.path]
    definitions: tuple[Function | Class, ...] = (*facts.functions, *facts.classes)
    around = [d for d in definitions if d.line <= place.line <= d.end_line]
    return min(around, key=lambda d: (d.end_line - d.line, -d.column)).qualname if around else ""
