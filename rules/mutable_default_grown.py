"""LA107: a mutable default argument that keeps growing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from leakaudit.facts.answers import words
from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Evidence, Finding, Fix
from leakaudit.scan.container_rule import ContainerRule
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Suspect

_CACHE_WORDS = frozenset(
    "cache cached memo memos memoized seen visited known registry results store history".split()
)


class MutableDefaultGrown(ContainerRule):
    """A default argument that is a dict, list or set gains entries with every call that does not pass its own.

    ## What it does

    Flags functions that put something into a mutable default of theirs, under keys that are not a small fixed set.

    ## Why it leaks

    A default is made once, when the function is defined, and lives as long as the function. What one call puts into it
    is there in all later ones, and nothing outside can reach it to empty it.

    ## Example

        def infer(node, _cache={}):
            if node not in _cache:
                _cache[node] = node.infer()
            return _cache[node]

    ## Use instead

        from functools import lru_cache

        @lru_cache(maxsize=1024)
        def infer(node):
            return node.infer()

        def collect(node, found=None):
            found = [] if found is None else found
            found.append(node)
            return found

    ## What we do not flag

    Defaults that are only read or passed on; parameters that are bound to a copy first; keys that are constants, types or
    other small sets; defaults that are emptied or kept below a size, or that belong to a function nested in another.

    ## References

    - https://docs.python.org/3/faq/programming.html#why-are-default-values-shared-between-objects
    """

    code = "LA107"
    name = "mutable-default-grown"
    object_types = ("dict", "list", "set", "collections.defaultdict", "collections.OrderedDict")
    scopes = "d"

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Leave out functions nested in others: their defaults are made anew with them."""
        function = project.function(subject.path, subject.container.func)
        return function is not None and function.parent < 0

    def message(self, growth: Growth) -> str:
        """Name the default and what it gains."""
        event = growth.site.event
        what = f"one entry per `{event.key}`" if event.key else "what every call adds"
        return f"the default of `{growth.subject.name}` is made once and keeps {what}"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Make it per call, or a cache with a limit."""
        name = growth.subject.name
        return (
            f"default to None and make it per call: `{name} = {growth.subject.container.text} if {name} is None else {name}`",
            "if it is meant as a cache, use `functools.lru_cache(maxsize=...)` or a module-level cache with a limit",
        )

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Default to None."""
        from leakaudit.fixes.none_default import none_default

        return none_default(finding, module)

    def _suspect(self, project: Project, subject: Subject, growth: Growth) -> Suspect:
        suspect = super()._suspect(
            project, subject, replace(growth, evidence=(*growth.evidence, *self._extras(growth)))
        )
        proven = growth.key.value in ("fresh", "identity")
        return suspect if proven else replace(suspect, cap=Confidence.MEDIUM)

    def _extras(self, growth: Growth) -> Iterator[Evidence]:
        few = growth.key.value.endswith("finite")
        yield Evidence(
            "default", "shared", "no caller that leaves it out can reach it to empty it", 0 if few else 3
        )
        name = growth.subject.name
        if any(
            re.search(rf"not {name}$|not {name}\b(?! in)|len\({name}\) == 0", guard)
            for guard in growth.site.event.guards
        ):
            yield Evidence("guard", "empty", f"grows only while `{name}` is empty", -8)
        if name.startswith("_") or set(words(name)) & _CACHE_WORDS:
            yield Evidence("name", "cache", f"`{name}` is meant to outlive the call", 1)
