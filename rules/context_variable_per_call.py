"""LA603: a ContextVar that is made in a function."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.answers import Answer
from leakaudit.facts.growth import population
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Function
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Probe, ProbeKind
from leakaudit.scan.rule import Rule, Suspect

_OFTEN = {
    "per-event": 3,
    "likely-event": 2,
    "many": 3,
    "likely-many": 2,
    "start-up": -4,
    "import": -8,
    "registrar": -2,
    "likely-few": -2,
    "few": -3,
    "one": -8,
}


class ContextVariablePerCall(Rule):
    """Each context in which a ContextVar was set refers to it and to its value; one per object or call piles up there.

    ## What it does

    Flags a `ContextVar` that is made in a function or method, so that there is a new one for every call or object.

    ## Why it leaks

    A context keeps every variable that was ever set in it, with the value. The context of a thread or of a long-running
    task lives as long as that does, and so do the variables, though nobody can ask for them any more.

    ## Example

        from contextvars import ContextVar

        class Span:
            def __init__(self, request):
                self._current = ContextVar("current")
                self._current.set(request)

        def handle_request(request):
            return Span(request)

    ## Use instead

        from contextvars import ContextVar

        _current = ContextVar("current")

        class Span:
            def __init__(self, request):
                _current.set(request)

        def handle_request(request):
            return Span(request)

    ## What we do not flag

    Variables of a module or of a class body; what runs at import or at start-up; objects of which there is only one.

    ## References

    - https://docs.python.org/3/library/contextvars.html#contextvars.ContextVar
    """

    code = "LA603"
    name = "context-variable-per-call"
    object_types = ("_contextvars.ContextVar",)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the context variables that functions make."""
        for path, call in project.calls("ContextVar"):
            function = project.function(path, call.func)
            if function is not None and "contextvars" in call.callee:
                yield self._suspect(project, path, call, function)

    def _suspect(self, project: Project, path: str, call: Call, function: Function) -> Suspect:
        module = project.module_name(path)
        scope, _, name = call.usage.partition(":")
        kept = scope == "store" and name.startswith("i:")
        often = _often(project, path, call, function)
        return Suspect(
            location=Location(path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{name[2:]}"
            if kept
            else f"{module}.{function.qualname}.<locals>.{name or 'ContextVar'}",
            message=f"every run of `{function.name}` makes a context variable, and each context in which that is set keeps it",
            evidence=(
                Evidence("lifetime", "context", "a context keeps what was set in it as long as it lives", 2),
                Evidence("often", often.value, often.reason, _OFTEN.get(often.value, 0)),
            ),
            help=("make the variable once, at module level, and set in it what differs",),
            probe=Probe(ProbeKind.TYPE_COUNT, module, path, function.qualname, "", self.object_types),
        )


def _often(project: Project, path: str, call: Call, function: Function) -> Answer:
    """How often it is made: by the number of the objects that it belongs to, else by when its function runs."""
    if function.cls and function.name in ("__init__", "__new__", "__post_init__"):
        return population.of_class(project, Place(path, function.cls))
    return project.contexts.of_function(path, call.func)
