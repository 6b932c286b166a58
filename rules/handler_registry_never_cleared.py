"""LA301: a registry of handlers that only grows."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts import judge
from leakaudit.facts.linked import Subject
from leakaudit.facts.project import Project
from leakaudit.facts.registry import holds_callables
from leakaudit.scan.rule import Rule, Suspect


class HandlerRegistryNeverCleared(Rule):
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

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the growing registries of callables."""
        for subject in project.subjects.values():
            if subject.scope not in "imc" or not holds_callables(project, subject):
                continue
            growth = judge.growing(project, subject)
            if growth is not None:
                yield self._suspect(project, subject, growth)

    def _suspect(self, project: Project, subject: Subject, growth: judge.Growth) -> Suspect:
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=f"`{subject.name}` keeps every callable that is registered; none is taken out",
            evidence=growth.evidence,
            related=judge.related(growth),
            notes=(growth.lifetime.reason, growth.cleanup.reason),
            help=(
                "take the callable out when its work ends (`try: ... finally: remove`), or hand back a function that removes it",
                "hold bound methods weakly: `weakref.WeakMethod`",
            ),
            probe=judge.probe(project, subject, self.object_types),
        )
