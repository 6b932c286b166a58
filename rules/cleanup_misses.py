"""LA106: entries are taken out, but not always, or never really."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.growth.cleanup import INNER, SAME_KEY, UNCALLED
from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.growth.late_bound import LateBound, late_bound
from leakaudit.facts.growth.missed_removals import SKIPPED, SUCCESS_ONLY, UNANSWERED, WRONG_KEY
from leakaudit.facts.growth.registry import holds_locks
from leakaudit.facts.holders.own_registrations import Forgotten, forgotten
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Evidence, Finding, Fix, Location, Related
from leakaudit.scan.container_rule import ContainerRule
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Suspect

_HOW = {
    UNCALLED: "has a clean-up that nothing calls",
    SAME_KEY: "drops an entry only when its very key is asked for again",
    WRONG_KEY: "is cleaned with a key that never matches",
    SUCCESS_ONLY: "is cleaned only when all goes well",
    SKIPPED: "is cleaned, but not on every way out",
    UNANSWERED: "keeps the entry of a wait that ends without an answer",
    INNER: "has its entries emptied, but never removed",
}
_REMEDIES = {
    UNCALLED: "call it where the work ends, or delete it",
    SAME_KEY: "sweep expired entries on a timer, or bound the number of entries",
    WRONG_KEY: "remove with the same key that was used to insert",
    SUCCESS_ONLY: "move the removal into `finally`",
    SKIPPED: "move the removal into `finally`, or repeat it before that way out",
    UNANSWERED: "take the entry out in `finally` around the wait",
    INNER: "remove the key when its entry has become empty",
}


class CleanupMisses(ContainerRule):
    """A long-lived container has a clean-up, but it misses.

    ## What it does

    Flags a growing container whose entries are removed only by code that nothing calls, only when the same key is asked
    for again, with another key than they were stored under, only when nothing is cancelled or raises in between, on all ways
    out of a function but one, not when a wait for them times out, or whose entries are emptied while the keys stay.

    Flags a callback, too, that is made in a loop and takes out whatever the loop's variable holds when it runs.

    Flags an object, too, that registers itself and is taken out by one method, but not by the one that ends it.

    ## Why it leaks

    About half of the leaks that real projects fixed had some clean-up before; what they lacked was a path, a key or a call.

    ## Example

        requests = {}

        def task_received(request):
            requests[request.id] = request

        def task_done(request):
            requests.pop(request, None)

    ## Use instead

        requests = {}

        def task_received(request):
            requests[request.id] = request

        def task_done(request):
            requests.pop(request.id, None)

    ## What we do not flag

    Removal in `finally`, by a done-callback, by a sweep, by eviction at a limit, or by any other code for each entry.

    ## References

    - https://docs.python.org/3/reference/compound_stmts.html#the-try-statement
    """

    code = "LA106"
    name = "cleanup-misses"
    object_types = ("dict", "list", "set", "collections.deque")
    kinds = ("dict", "defaultdict", "counter", "list", "set", "deque")

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Take the near-misses."""
        locks = subject.container.kind in ("dict", "defaultdict") and holds_locks(subject)
        return growth.cleanup.grade in _HOW and not locks

    def message(self, growth: Growth) -> str:
        """Say what the clean-up misses."""
        return f"`{growth.subject.name}` {_HOW[growth.cleanup.grade]}"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Mend the clean-up that is there."""
        return (_REMEDIES[growth.cleanup.grade],)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the containers, and the objects that stay where they registered themselves."""
        yield from super().suspects(project)
        for item in forgotten(project):
            yield self._registered(project, item)
        for late in late_bound(project):
            yield self._late(project, late)

    def _late(self, project: Project, item: LateBound) -> Suspect:
        added, removal = item.added, item.removal
        owner = added.owner.partition(":")[2]
        name = owner.rpartition(".")[2]
        reason = f"by the time it runs, `{item.name}` is what the last turn of the loop made"
        return Suspect(
            location=Location(item.path, added.line, added.column, added.line, added.end_column or None),
            symbol=f"{project.module_name(item.path)}.{owner}",
            message=f"`{name}` is cleaned of the last `{item.name}` again and again, and keeps the others",
            evidence=(
                Evidence("cleanup", "late", reason, 4, Location(item.path, removal.line, removal.column)),
            ),
            related=(Related(Location(item.path, removal.line, removal.column), reason),),
            help=(
                f"hand over the bound method: `{name}.{removal.method}`; or bind the name: `lambda _, {item.name}={item.name}: ...`",
            ),
            cap=Confidence.MEDIUM,
        )

    def _registered(self, project: Project, item: Forgotten) -> Suspect:
        call, ending = item.call, item.ending
        name = call.callee.rpartition(".")[2]
        place = Location(item.path, call.line, call.column, call.end_line, call.end_column)
        taken = Location(item.path, item.removal.line, item.removal.column)
        return Suspect(
            location=place,
            symbol=f"{project.module_name(item.path)}.{item.cls.name}.{ending.name}",
            message=f"`{ending.name}` ends the object, but leaves it where `{name}` put it",
            evidence=(
                Evidence(
                    "cleanup", "path", f"another method takes it out, `{ending.name}` does not", 3, taken
                ),
            ),
            related=(
                Related(Location(item.path, ending.line, ending.column), f"`{ending.name}` forgets it"),
                Related(taken, "taken out only here"),
            ),
            help=(f"take it out in `{ending.name}`, too",),
            scope=call.callee,
            cap=Confidence.MEDIUM,
        )

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Move the removal into `finally`."""
        from leakaudit.fixes.into_finally import into_finally

        return into_finally(finding, module)
