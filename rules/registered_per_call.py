"""LA302: each call registers one more callable, and drops what would take it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.holders.subscription import Subscription
from leakaudit.facts.holders.subscriptions import subscriptions
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Flag
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_SOURCE = {"global": 2, "passed-in": 1, "lasting": 1, "unknown": -2, "argument": -1, "short": -6}
_CONTEXT = {
    "per-event": 2, "likely-event": 0, "construct": -2, "unknown": -1, "called": -1, "start-up": -4, "import": -8, "addition": -3, "registrar": -3,
}  # fmt: skip
_ONCE = re.compile(
    r"^(__init__|main)$|^_*(async_)?(install|setup|set_up|init|configure|register|start|load|bootstrap|attach|create|build)(_|$)"
)
_LASTING = ("process", "long", "likely-long")


class RegisteredPerCall(Rule):
    """Code that runs per request, message or event registers a callable each time, and nothing takes it out.

    ## What it does

    Flags a lambda, a closure or a method of a long-lived object that is registered (`on`, `subscribe`, `add_listener`,
    `register`, ...) with something that outlives the call, from code that runs again and again, when the call's result is
    dropped and nothing in the same class or function unregisters.

    ## Why it leaks

    Every call leaves one more callable behind, with all that it captures; and every event runs all of them.

    ## Example

        class Feed:
            def __init__(self, bus):
                self.bus = bus

            def handle_request(self, request):
                self.bus.subscribe(lambda event: request.send(event))

            def serve_forever(self):
                while True:
                    self.handle_request(self.accept())

    ## Use instead

        class Feed:
            def __init__(self, bus):
                self.bus = bus

            def handle_request(self, request):
                handle = self.bus.subscribe(lambda event: request.send(event))
                try:
                    request.wait()
                finally:
                    handle.dispose()

            def serve_forever(self):
                while True:
                    self.handle_request(self.accept())

    ## What we do not flag

    Registrations at import, at start-up, in constructors (LA202) or behind a once-guard; closures over a container
    (LA201); handles that are kept, returned or passed on; setters and registries with one callable per name.

    ## References

    - https://docs.python.org/3/library/contextlib.html#contextlib.ExitStack.callback
    """

    code = "LA302"
    name = "registered-per-call"
    object_types = ("function", "method")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the registrations that are repeated; those that pin a short-lived instance are LA202's."""
        for item in subscriptions(project):
            if (
                item.undone.value == "no"
                and item.source.value not in ("self", "own")
                and self._is_ours(project, item)
            ):
                yield self._suspect(project, item)

    def _is_ours(self, project: Project, item: Subscription) -> bool:
        if item.pins is not None:
            return project.lifetimes.of_class(item.pins).value in _LASTING
        captures = item.captures
        return not any(
            Place(item.path, f"l:{item.function.qualname}.{name}") in project.subjects for name in captures
        )

    def _suspect(self, project: Project, item: Subscription) -> Suspect:
        call = item.call
        module = project.module_name(item.path)
        registry = item.registry
        where = f"`{registry.name}`" if registry is not None else "the registry"
        related: tuple[Related, ...] = ()
        if registry is not None:
            related = (
                Related(
                    Location(registry.path, registry.container.line, registry.container.column), "kept here"
                ),
            )
        return Suspect(
            location=Location(item.path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{item.function.qualname}.<locals>.{item.what.removeprefix('self.')}",
            message=f"each `{item.function.name}` leaves one more `{item.what}` in {where} of `{item.verb}`",
            evidence=tuple(self._evidence(project, item)),
            related=related,
            notes=(item.source.reason, item.undone.reason),
            help=(
                "unregister in `finally`, or keep the handle that the call returns and cancel it when the work ends",
            ),
            probe=Probe(
                ProbeKind.TYPE_COUNT, module, item.path, item.function.qualname, "", self.object_types
            ),
            scope=f"{item.verb}:{call.callee}",
            cap=Confidence.HIGH if registry is not None else Confidence.MEDIUM,
        )

    def _evidence(self, project: Project, item: Subscription) -> Iterator[Evidence]:
        yield Evidence("undone", "no", item.undone.reason, 1)
        yield Evidence("registry", item.source.value, item.source.reason, _SOURCE.get(item.source.value, 0))
        context = project.contexts.of_function(item.path, item.call.func)
        weight = _CONTEXT.get(context.value, 0)
        yield Evidence("context", context.value, context.reason, weight)
        if _ONCE.match(item.function.name):
            yield Evidence("name", "set-up", f"`{item.function.name}` is named like code that runs once", -3)
        if item.call.flags & Flag.FOREVER:
            yield Evidence("loop", "endless", "inside a loop without end", 2)
        if item.awaited:
            why = f"`{item.awaited}` is waited for in the same call, and of no use after it"
            yield Evidence("awaited", item.awaited, why, 3)
        if item.replaces:
            yield Evidence("slot", "replaced", item.replaces, -3)
        if item.once and not item.awaited:
            yield Evidence("once", "guarded", item.once, -3)
        if item.registry is not None and project.cleanup(item.registry).effective:
            yield Evidence("cleanup", "paired", project.cleanup(item.registry).reason, -3)
