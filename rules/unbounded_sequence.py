"""LA102: a list or deque that is appended to for as long as the process runs."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.growth import judge
from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.growth.registry import holds_callables
from leakaudit.facts.growth.shared_lists import extended_in_place
from leakaudit.facts.linking.linked import Seen, Subject
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Evidence, Finding, Fix, Location, Related
from leakaudit.scan.container_rule import ContainerRule, span
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Suspect


class UnboundedSequence(ContainerRule):
    """A list that lives long is appended to per event, and nothing takes entries out.

    ## What it does

    Flags a list, deque or in-memory buffer that is owned by a module, a class or a long-lived object and is appended to
    by code that runs per request, message or round, while no code removes, trims or replaces it.

    Flags a shared list, too, that a function means to copy and makes longer by `+=`: `mine = SHARED.get(key, [])`.

    ## Why it leaks

    A history that nobody shortens holds every entry until the process ends.

    ## Example

        class EventServer:
            def __init__(self):
                self.history = []

            def serve_forever(self, source):
                while True:
                    self.history.append(source.read())

        server = EventServer()

    ## Use instead

        from collections import deque

        class EventServer:
            def __init__(self):
                self.history = deque(maxlen=1000)

            def serve_forever(self, source):
                while True:
                    self.history.append(source.read())

        server = EventServer()

    ## What we do not flag

    Lists with `maxlen`, trimmed, swapped out or rebuilt; lists filled at import or start-up; lists of one call or request.

    ## References

    - https://docs.python.org/3/library/collections.html#collections.deque
    """

    code = "LA102"
    name = "unbounded-sequence"
    object_types = ("list", "collections.deque")
    kinds = ("list", "deque", "buffer")
    general = True

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Leave registries of callables to their own rule."""
        return growth.cleanup.grade in ("none", "by-name", "clear-only") and not holds_callables(subject)

    def message(self, growth: Growth) -> str:
        """Name the list and what is appended."""
        value = growth.site.event.value
        return f"`{growth.subject.name}` keeps every {f'`{value}` that is added' if value else 'entry'} {span(growth)}"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Bound it or drain it."""
        return (
            "bound it: `deque(maxlen=N)`; or take entries out when they have been dealt with",
            "if it cannot grow without limit, say so:  # leakaudit: bounded=<reason>",
        )

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the lists that grow, and those that are extended in place by what looks like a copy."""
        yield from super().suspects(project)
        for subject, seen in extended_in_place(project):
            yield self._in_place(project, subject, seen)

    def _in_place(self, project: Project, subject: Subject, seen: Seen) -> Suspect:
        lifetime = project.lifetime(subject)
        context = project.context(seen)
        event = seen.event
        function = project.function(seen.path, event.func)
        place = Location(seen.path, event.line, event.column, event.line, event.end_column or None)
        reason = f"the name may stand for what `{subject.name}` holds, and `+=` changes that very list"
        return Suspect(
            location=place,
            symbol=f"{project.module_name(seen.path)}.{function.qualname if function else subject.name}",
            message=f"`{subject.name}` is extended in place where a longer copy seems to be meant",
            evidence=(
                Evidence("lifetime", lifetime.value, lifetime.reason, judge.LIFETIME[lifetime.value]),
                Evidence("context", context.value, context.reason, judge.CONTEXT[context.value]),
                Evidence("alias", "in place", reason, 3, place),
            ),
            related=(Related(judge.location(subject), "what is shared is made here"),),
            help=("make a new list: `mine = mine + more`",),
            cap=Confidence.MEDIUM,
        )

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Bound a deque as the code says."""
        from leakaudit.fixes.stated_bound import with_stated_bound

        return with_stated_bound(finding, module)
