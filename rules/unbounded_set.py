"""LA103: a set that gains members for as long as the process runs."""

from __future__ import annotations

from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.growth.registry import holds_callables
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.project import Project
from leakaudit.scan.container_rule import ContainerRule, span


class UnboundedSet(ContainerRule):
    """A set that lives long gains new members per event, and nothing discards them.

    ## What it does

    Flags a set that is owned by a module, a class or a long-lived object and gains members that are new each time, from
    code that runs per request, message or round, while no code discards them.

    ## Why it leaks

    A "seen" set remembers everything that was ever seen. Members without `__eq__` are never equal to earlier ones, so
    that not even repeats are absorbed.

    ## Example

        _seen = set()

        def handle_message(message):
            if message.id in _seen:
                return
            _seen.add(message.id)

    ## Use instead

        from collections import OrderedDict

        _seen = OrderedDict()

        def handle_message(message):
            if message.id in _seen:
                return
            _seen[message.id] = None
            if len(_seen) > 10_000:
                _seen.popitem(last=False)

    ## What we do not flag

    Members from a finite set; sets whose members are discarded, also by `add_done_callback(s.discard)`; weak sets; sets
    of one call or request.

    ## References

    - https://docs.python.org/3/library/weakref.html#weakref.WeakSet
    """

    code = "LA103"
    name = "unbounded-set"
    object_types = ("set",)
    kinds = ("set",)
    general = True

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Leave registries of callables to their own rule."""
        return growth.cleanup.grade in ("none", "by-name", "clear-only") and not holds_callables(subject)

    def message(self, growth: Growth) -> str:
        """Name the set and its members."""
        value = growth.site.event.value
        return f"`{growth.subject.name}` remembers every {f'`{value}`' if value else 'member'} {span(growth)}"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Discard, bound, or hold weakly."""
        return (
            "discard members when they are done with, hold objects in a `weakref.WeakSet`, or keep only the latest N in an OrderedDict",
            "if the set of members is finite, say so:  # leakaudit: bounded=<reason>",
        )
