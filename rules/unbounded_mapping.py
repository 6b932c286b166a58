"""LA101: a dict that gains keys for as long as the process runs."""

from __future__ import annotations

from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.growth.registry import holds_callables, holds_locks
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.model import Op
from leakaudit.facts.project import Project
from leakaudit.scan.container_rule import ContainerRule, span


class UnboundedMapping(ContainerRule):
    """A dict that lives long gains keys per event, and nothing takes them out.

    ## What it does

    Flags a dict (also OrderedDict, defaultdict, Counter) that is owned by a module, a class, a long-lived object or a loop
    without end, gains keys from code that runs per request, message or round, under keys that are new each time, while no
    code removes them. An entry that is set to `None` still keeps its key.

    ## Why it leaks

    Every new key stays, with its value and all that the value refers to, until the process ends. A cache without a bound
    is a leak with a good excuse.

    ## Example

        _sessions = {}

        def handle_request(request):
            _sessions[request.session_id] = request.user

    ## Use instead

        from collections import OrderedDict

        _sessions = OrderedDict()

        def handle_request(request):
            _sessions[request.session_id] = request.user
            if len(_sessions) > 10_000:
                _sessions.popitem(last=False)

    ## What we do not flag

    Keys from a finite set (enum members, types, constants, configured names); dicts filled at import or start-up; dicts
    whose entries are removed per event, swept, bounded by a length check, or held weakly; objects of one call or request.

    ## References

    - https://docs.python.org/3/library/functools.html#functools.lru_cache
    - https://cachetools.readthedocs.io/
    """

    code = "LA101"
    name = "unbounded-mapping"
    object_types = ("dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter")
    kinds = ("dict", "defaultdict", "counter")
    general = True

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Leave registries of callables, maps of locks and growth by mere reads to their own rules."""
        return (
            growth.cleanup.grade in ("none", "by-name", "clear-only")
            and growth.site.event.op is not Op.READ_GROW
            and not holds_callables(subject)
            and not holds_locks(subject)
        )

    def message(self, growth: Growth) -> str:
        """Name the dict and its key."""
        key = growth.site.event.key
        what = f"one entry per `{key}`" if key and not growth.site.event.depth else "every entry"
        return f"`{growth.subject.name}` keeps {what} {span(growth)}"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Bound it, or say why it is bounded."""
        return (
            "bound the keys: evict the oldest when `len()` passes a limit, or use a TTL or LRU cache; or remove each key when its work ends",
            "if the set of keys is finite, say so:  # leakaudit: bounded=<reason>",
        )
