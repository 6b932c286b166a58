"""LA105: reading a defaultdict adds the key that was asked for."""

from __future__ import annotations

from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.growth.registry import holds_callables, holds_locks
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.model import Op
from leakaudit.facts.project import Project
from leakaudit.scan.container_rule import ContainerRule, span


class DefaultdictGrownByRead(ContainerRule):
    """A long-lived defaultdict is read with keys that the caller chooses; every miss adds an entry.

    ## What it does

    Flags a defaultdict that is owned by a module, a class or a long-lived object and is read by subscript, with keys that
    are new each time, while nothing removes them.

    ## Why it leaks

    `d[key]` on a defaultdict stores the default. Asking is enough to grow it.

    ## Example

        from collections import defaultdict

        _streams = defaultdict(list)

        def handle_request(request):
            return _streams[request.session_id]

    ## Use instead

        from collections import defaultdict

        _streams = defaultdict(list)

        def handle_request(request):
            return _streams.get(request.session_id, ())

    ## What we do not flag

    Keys from a finite set, keys that are removed again, reads guarded by `in`.

    ## References

    - https://docs.python.org/3/library/collections.html#collections.defaultdict
    """

    code = "LA105"
    name = "defaultdict-grown-by-read"
    object_types = ("collections.defaultdict",)
    kinds = ("defaultdict",)

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Take what grows by reads alone."""
        event = growth.site.event
        guarded = any(f"{event.key} in " in guard for guard in event.guards)
        return (
            event.op is Op.READ_GROW
            and growth.cleanup.grade in ("none", "by-name", "clear-only")
            and not guarded
            and not holds_locks(subject)
            and not holds_callables(subject)
        )

    def message(self, growth: Growth) -> str:
        """Name the dict and the key."""
        return f"reading `{growth.subject.name}[{growth.site.event.key}]` adds an entry that stays {span(growth)}"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Read without storing."""
        return ("read with `.get(key)`, or test `key in d` first",)
