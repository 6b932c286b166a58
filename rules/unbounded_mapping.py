"""LA101: a dict that gains keys for as long as the process runs."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts import judge
from leakaudit.facts.linked import Subject
from leakaudit.facts.project import Project
from leakaudit.facts.registry import holds_callables
from leakaudit.scan.rule import Rule, Suspect


class UnboundedMapping(Rule):
    """A dict that lives long gains keys per event, and nothing takes them out.

    ## What it does

    Flags a dict (also OrderedDict, defaultdict, Counter) that is owned by a module, a class or a long-lived object, gains
    keys from code that runs per request, message or round, under keys that are new each time, while no code removes them.

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

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the growing dicts that are no handler registries and hold no locks."""
        for subject in project.subjects.values():
            if subject.container.kind not in ("dict", "defaultdict", "counter") or subject.scope not in "imc":
                continue
            if holds_callables(project, subject):
                continue
            growth = judge.growing(project, subject)
            if growth is not None:
                yield self._suspect(project, subject, growth)

    def _suspect(self, project: Project, subject: Subject, growth: judge.Growth) -> Suspect:
        event = growth.site.event
        what = f"one entry per `{event.key}`" if event.key else "every entry"
        span = "for the life of the process" if growth.lifetime.value in ("process", "long") else "for as long as its owner lives"
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=f"`{subject.name}` keeps {what} {span}",
            evidence=growth.evidence,
            related=judge.related(growth),
            notes=(growth.lifetime.reason, growth.cleanup.reason),
            help=(
                "bound the keys: evict the oldest when `len()` passes a limit, or use a TTL or LRU cache; or remove each key when its work ends",
                "if the set of keys is finite, say so:  # leakaudit: bounded=<reason>",
            ),
            probe=judge.probe(project, subject, self.object_types),
        )
