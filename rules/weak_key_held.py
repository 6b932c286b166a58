"""LA209: a weak-key map whose values hold their keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.growth import judge
from leakaudit.facts.holders.weakmaps import SelfHeld, self_held
from leakaudit.findings import Evidence, Location, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project


class WeakKeyHeld(Rule):
    """The value of an entry in a weak-key map holds the entry's key, so the entry never goes.

    ## What it does

    Flags `WeakKeyDictionary` entries whose value is an object made with the key, or a closure over it.

    ## Why it leaks

    The map holds its values strongly. A value that refers to its key keeps the key alive, and the key keeps the entry: the
    weak reference never dies, not even in a collection of cycles, for the map itself is a root.

    ## Example

        import weakref

        class Runner:
            def __init__(self, future):
                self.future = future

        RUNNERS = weakref.WeakKeyDictionary()

        def start(future):
            RUNNERS[future] = Runner(future)

    ## Use instead

        class Runner:
            def __init__(self, future):
                self.future = future

        def start(future):
            runner = Runner(future)
            future.add_done_callback(lambda _: runner)

    ## What we do not flag

    Values that are given a weak reference to the key, or only what they need of it; classes whose constructor is seen not to
    keep it; maps with weak values.

    ## References

    - https://docs.python.org/3/library/weakref.html#weakref.WeakKeyDictionary
    """

    code = "LA209"
    name = "weak-key-held"
    object_types = ("weakref.WeakKeyDictionary",)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the maps with such an entry."""
        for found in self_held(project):
            yield self._suspect(project, found)

    def _suspect(self, project: Project, found: SelfHeld) -> Suspect:
        subject, event = found.subject, found.seen.event
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=f"the values of `{subject.name}` hold its keys, so no entry is ever dropped: {found.how}",
            evidence=tuple(self._evidence(project, found)),
            related=(Related(Location(found.seen.path, event.line, event.column), found.how),),
            help=(
                "keep the value on the key itself, as an attribute: the two then go together",
                "or give the value a weak reference to the key",
            ),
            probe=judge.probe(project, subject, self.object_types),
        )

    def _evidence(self, project: Project, found: SelfHeld) -> Iterator[Evidence]:
        yield Evidence("held", "constructor" if found.sure else "argument", found.how, 4 if found.sure else 2)
        lifetime = project.lifetime(found.subject)
        yield Evidence("lifetime", lifetime.value, lifetime.reason, judge.LIFETIME[lifetime.value])
