"""LA206: nested functions refer to themselves, so that every call leaves a cycle with all that they captured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from leakaudit.facts.holders.recursion import Recursive, recursive
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related, Severity
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_CONTEXT = {"per-event": 1, "likely-event": 1, "start-up": -3, "import": -8, "addition": -2, "registrar": -2}
_ONCE = re.compile(r"^_*(async_)?(main|setup|set_up|install|init|configure|build|bootstrap)(_|$)")


class SelfReferringFunction(Rule):
    """A nested function calls itself, so each call of the outer function leaves a cycle behind.

    ## What it does

    Flags functions defined in a function that refer to themselves or to one another, and that have captured a variable of
    the call, when the outer function neither returns, stores or registers them nor unbinds them at its end.

    ## Why it leaks

    The function holds its closure, the closure the cell of its own name, and that cell the function. Reference counting
    never frees such a ring: it stays, with every captured argument, until the garbage collector runs, and for good where
    that is disabled. Large graphs, buffers and exceptions with their frames are kept so, one more with each call.

    ## Example

        def rename(graph, names):
            def convert(task):
                if isinstance(task, list):
                    return [convert(part) for part in task]
                return names.get(task, task)

            return {names[key]: convert(task) for key, task in graph.items()}

    ## Use instead

        def convert(task, names):
            if isinstance(task, list):
                return [convert(part, names) for part in task]
            return names.get(task, task)

        def rename(graph, names):
            return {names[key]: convert(task, names) for key, task in graph.items()}

    ## What we do not flag

    Functions that are unbound before the return (`del convert`); those that are returned, stored or registered, as decorators
    do; those that capture nothing but themselves; code that runs at import or start-up.

    ## References

    - https://docs.python.org/3/reference/datamodel.html#function.__closure__
    - https://docs.python.org/3/library/gc.html
    """

    code = "LA206"
    name = "self-referring-function"
    severity: ClassVar[Severity] = Severity.INFO
    object_types = ("function", "cell")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the rings that keep variables of their call."""
        for found in recursive(project):
            if found.kept:
                yield self._suspect(project, found)

    def _suspect(self, project: Project, found: Recursive) -> Suspect:
        outer, inner = found.outer, found.inner
        module = project.module_name(found.path)
        way = " and ".join(f"`{name}`" for name in found.ring)
        what = "refers to itself" if len(found.ring) == 1 else "refer to each other"
        kept = ", ".join(f"`{name}`" for name in found.kept[:3])
        return Suspect(
            location=Location(found.path, inner.line, inner.column),
            symbol=f"{module}.{inner.qualname}",
            message=f"each call of `{outer.name}` leaves {way} behind, which {what}, and {kept} with it until the collector runs",
            evidence=tuple(self._evidence(project, found)),
            related=(
                Related(
                    Location(found.path, outer.line, outer.column),
                    f"`{outer.name}` makes it anew at each call",
                ),
            ),
            help=(
                f"move {way} to module level and pass what it needs as arguments",
                f"or unbind it where `{outer.name}` ends: `del {inner.name}` in `finally`",
            ),
            probe=Probe(ProbeKind.TYPE_COUNT, module, found.path, outer.qualname, "", self.object_types),
            cap=Confidence.MEDIUM,
        )

    def _evidence(self, project: Project, found: Recursive) -> Iterator[Evidence]:
        yield Evidence("cycle", "closure", "a cell of its closure holds the function itself", 2)
        yield Evidence("captures", found.kept[0], f"it keeps `{found.kept[0]}` of the call", 1)
        context = project.contexts.of_function(found.path, found.index)
        yield Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0))
        if _ONCE.match(found.outer.name):
            yield Evidence("name", "set-up", f"`{found.outer.name}` is named like code that runs once", -2)
