"""LA301: a registry of handlers that only grows."""

from __future__ import annotations

from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.growth.registry import holds_callables
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.model import Op
from leakaudit.facts.project import Project
from leakaudit.scan.container_rule import ContainerRule


class HandlerRegistryNeverCleared(ContainerRule):
    """Handlers, listeners or callbacks are added while the program runs, and none is ever taken out.

    ## What it does

    Flags a long-lived list, set or dict of callables that gains entries from code that runs per request, message or
    round, while nothing removes an entry.

    ## Why it leaks

    Every callback stays, with everything that it captures: the instance of a bound method, the variables of a closure.
    Each event also runs all the old ones.

    ## Example

        class Hub:
            def __init__(self):
                self.listeners = []

            def handle_request(self, request):
                self.listeners.append(lambda event: request.reply(event))

        hub = Hub()

    ## Use instead

        class Hub:
            def __init__(self):
                self.listeners = []

            def handle_request(self, request):
                listener = request.reply
                self.listeners.append(listener)
                try:
                    request.wait()
                finally:
                    self.listeners.remove(listener)

        hub = Hub()

    ## What we do not flag

    Registries filled at import (decorators, plug-ins) or at start-up; handlers removed in `finally`, through a returned
    handle or by a matching `remove_*`; weak registries; slots that hold one callable per finite key.

    ## References

    - https://docs.python.org/3/library/weakref.html#weakref.WeakMethod
    """

    code = "LA301"
    name = "handler-registry-never-cleared"
    object_types = ("list", "dict", "set", "function", "method")

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Take the registries of callables."""
        registered = growth.site.event.op == Op.GROW
        return (
            registered
            and holds_callables(subject)
            and growth.cleanup.grade in ("none", "by-name", "clear-only")
        )

    def message(self, growth: Growth) -> str:
        """Name the registry."""
        return f"`{growth.subject.name}` keeps every callable that is registered; none is taken out"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Unregister, or hold weakly."""
        return (
            "take the callable out when its work ends (`try: ... finally: remove`), or hand back a function that removes it",
            "hold bound methods weakly: `weakref.WeakMethod`",
        )
