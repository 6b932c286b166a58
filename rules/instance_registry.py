"""LA109: a module- or class-level container keeps every instance that is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.answers import words
from leakaudit.facts.growth import judge, population
from leakaudit.facts.holders.instances import Enrolment, enrolments, is_enrolling, removal
from leakaudit.findings import Confidence, Evidence, Finding, Fix, Location, Related
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_REMOVAL = {
    "none": 1,
    "uncalled": 1,
    "finalizer": 2,
    "clear-only": 0,
    "same-key": 0,
    "inner-only": 0,
    "by-name": -3,
}
_KEY = {
    "identity": 1,
    "fresh": 1,
    "likely-fresh": 1,
    "unknown": 0,
    "population": 0,
    "likely-finite": -4,
    "finite": -8,
}
_OWN_LIFE = {"process": -5, "long": -2, "likely-long": -1, "short": 1, "keyed": 1}
_CONTEXT = {"import": -8, "start-up": -2, "registrar": -1, "per-event": 1}
_STANDS_IN = frozenset({"asserting", "mock", "fake", "dummy", "stub", "spy", "recording"})


class InstanceRegistry(Rule):
    """Every instance puts itself into a container of its class or module, and none is ever taken out.

    ## What it does

    Flags `self` stored in a list, set or dict at class or module level, from the constructor or a method that enlists the
    instance, when nothing removes it, or when only `__del__` does.

    ## Why it leaks

    The container holds a strong reference, so no instance is ever freed: not when its last user drops it, and not through
    `__del__`, which cannot run before the container lets go.

    ## Example

        class Limiter:
            instances = []

            def __init__(self, rate):
                self.rate = rate
                self.instances.append(self)

    ## Use instead

        import weakref

        class Limiter:
            instances = weakref.WeakSet()

            def __init__(self, rate):
                self.rate = rate
                self.instances.add(self)

    ## What we do not flag

    `WeakSet` and `WeakValueDictionary`; instances that a `close`, `stop` or `unregister` takes out; classes whose instances
    are only made at import (constants, declarations); flyweights stored under a key from a small set.

    ## References

    - https://docs.python.org/3/library/weakref.html#weakref.WeakSet
    """

    code = "LA109"
    name = "instance-registry"
    object_types = ("list", "set", "dict")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the containers that instances put themselves into; one suspect per container."""
        best: dict[str, Suspect] = {}
        for enrolment in enrolments(project):
            gone = removal(project, enrolment.subject)
            if gone.value == "effective":
                continue
            suspect = self._suspect(project, enrolment)
            known = best.get(suspect.symbol)
            if known is None or _score(suspect) > _score(known):
                best[suspect.symbol] = suspect
        yield from best.values()

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Hold the instances weakly."""
        from leakaudit.fixes.weak_registry import held_weakly

        return held_weakly(finding, module)

    def _suspect(self, project: Project, enrolment: Enrolment) -> Suspect:
        subject = enrolment.subject
        event = enrolment.seen.event
        kind = enrolment.cls.name.rpartition(".")[2]
        gone = removal(project, subject)
        few = population.of_class(project, enrolment.cls).value in ("one", "few", "likely-few")
        related = [
            Related(
                Location(enrolment.seen.path, event.line, event.column), f"each `{kind}` adds itself here"
            )
        ]
        if enrolment.via is not None:
            related.insert(
                0,
                Related(
                    Location(enrolment.cls.path, enrolment.method.line),
                    f"`{kind}.{enrolment.method.name}` hands itself over",
                ),
            )
        if gone.line:
            related.append(Related(Location(gone.path, gone.line), gone.reason))
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=f"`{subject.name}` keeps every `{kind}` alive until the process ends",
            evidence=tuple(self._evidence(project, enrolment)),
            related=tuple(related),
            notes=(gone.reason,),
            help=(
                "hold the instances weakly: `weakref.WeakSet()`, or `weakref.WeakValueDictionary()` where they have keys",
                "or take each one out where its life ends (`close`, `stop`, `__exit__`)",
            ),
            probe=judge.probe(project, subject, (*self.object_types, kind)),
            cap=Confidence.MEDIUM if few else Confidence.HIGH,
        )

    def _evidence(self, project: Project, enrolment: Enrolment) -> Iterator[Evidence]:
        subject = enrolment.subject
        yield Evidence("lifetime", "process", project.lifetime(subject).reason, 3)
        gone = removal(project, subject)
        place = Location(gone.path, gone.line) if gone.line else None
        yield Evidence("cleanup", gone.value, gone.reason, _REMOVAL[gone.value], place)
        name = enrolment.method.name
        if enrolment.keyed:
            domain = project.key_domain(subject, enrolment.seen)
            weight = _KEY[domain.value] - (0 if is_enrolling(enrolment.method) else 2)
            yield Evidence("key", domain.value, domain.reason, weight)
        else:
            yield Evidence("key", "instance", "one entry per instance", 2)
        if enrolment.in_constructor:
            yield Evidence("site", "constructor", f"`{name}` adds every instance", 1)
        life = project.lifetimes.of_class(enrolment.cls)
        if life.value in _OWN_LIFE:
            yield Evidence("instances", life.value, life.reason, _OWN_LIFE[life.value])
        if _STANDS_IN & set(words(enrolment.cls.name)):
            yield Evidence("name", "stand-in", f"`{enrolment.cls.name}` is named like a helper of tests", -5)
        context = project.contexts.of_function(enrolment.seen.path, enrolment.seen.event.func)
        if context.value in _CONTEXT:
            yield Evidence("context", context.value, context.reason, _CONTEXT[context.value])


def _score(suspect: Suspect) -> int:
    return sum(item.weight for item in suspect.evidence)
