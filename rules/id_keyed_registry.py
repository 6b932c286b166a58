"""LA108: entries under the `id()` of objects, which stay when the objects are gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from leakaudit.findings import Confidence
from leakaudit.scan.container_rule import ContainerRule, span

if TYPE_CHECKING:
    from leakaudit.facts.growth.judge import Growth
    from leakaudit.facts.linking.linked import Subject
    from leakaudit.facts.project import Project
    from leakaudit.scan.rule import Suspect

_DEFINITIONS = re.compile(
    r"(^|[^a-z])(cls|class|klass|type|module|function|func|fn|dtype|schema)([^a-z]|$)", re.IGNORECASE
)


class IdKeyedRegistry(ContainerRule):
    """A dict or set remembers objects by `id()`, and forgets none of them.

    ## What it does

    Flags a long-lived dict, set or list that is filled under `id(obj)` while nothing removes the entry when the object ends.

    ## Why it leaks

    An `id()` is new for every object, so each leaves an entry. Where the entry does not hold the object, the address is
    given to another object later, which is then taken for the first: a leak and a wrong answer.

    ## Example

        _prepared = {}

        def handle_request(request):
            if id(request.session) not in _prepared:
                _prepared[id(request.session)] = request.prepare()
            return _prepared[id(request.session)]

    ## Use instead

        import weakref

        _prepared = weakref.WeakKeyDictionary()

        def handle_request(request):
            if request.session not in _prepared:
                _prepared[request.session] = request.prepare()
            return _prepared[request.session]

    ## What we do not flag

    Entries that are popped again or by `weakref.finalize`; maps of one call (memo of a copy, visited nodes); the `id()` of
    classes, functions and modules, of which there are as many as the program has.

    ## References

    - https://docs.python.org/3/library/functions.html#id
    - https://docs.python.org/3/library/weakref.html#weakref.finalize
    """

    code = "LA108"
    name = "id-keyed-registry"
    object_types = ("dict", "set", "list")
    kinds = ("dict", "defaultdict", "counter", "set", "list", "deque")

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Take what is keyed by an address."""
        event = growth.site.event
        origins = event.key_origins if event.key else event.value_origins
        if "id" not in origins[:2] or _DEFINITIONS.search(event.key or event.value):
            return False
        return not (
            event.value and f"id({event.value})" == event.key
        )  # its own value keeps it: no address outlives it

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the growing containers; sure only of those that grow per event."""
        for suspect in super().suspects(project):
            per_event = any(item.fact == "context" and item.value == "per-event" for item in suspect.evidence)
            yield suspect if per_event else replace(suspect, cap=Confidence.MEDIUM)

    def message(self, growth: Growth) -> str:
        """Name the container and the key."""
        event = growth.site.event
        return f"`{growth.subject.name}` keeps one entry for every `{event.key or event.value}` {span(growth)}, though the object may be gone"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Key by the object, weakly."""
        return (
            "key by the object itself in a `weakref.WeakKeyDictionary` or `weakref.WeakSet`",
            f"or remove the entry with the object: `weakref.finalize(obj, {growth.subject.name}.pop, id(obj), None)`",
        )
