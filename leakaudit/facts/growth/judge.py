"""Weigh the four answers for one container: is it a suspect, how sure, and what is there to say about it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.answers import Answer
from leakaudit.facts.growth import circumstances
from leakaudit.facts.growth.cleanup import (
    CLEAR_ONLY,
    INNER,
    NONE,
    Cleanup,
    evicted_sibling,
    paired_sibling,
    sibling,
)
from leakaudit.facts.growth.near_misses import near_misses
from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.model import Flag, Op
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Probe, ProbeKind, Related

#: What each answer adds to the score. Most containers that only look like a leak are harmless, hence -1 for no cleanup alone.
LIFETIME = {
    "process": 2,
    "long": 2,
    "likely-long": 1,
    "scoped": -2,
    "keyed": -1,
    "unseen": 0,
    "unknown": -1,
    "likely-short": -3,
    "short": -8,
}
CONTEXT = {
    "per-event": 3,
    "likely-event": 1,
    "passed": 0,
    "construct": 0,
    "unknown": 0,
    "making": -3,
    "called": -1,
    "addition": -1,
    "registrar": -3,
    "start-up": -4,
    "import": -8,
}
KEY = {
    "identity": 4,
    "fresh": 2,
    "likely-fresh": 1,
    "unknown": 0,
    "population": -2,
    "likely-finite": -3,
    "finite": -8,
}
#: Where nothing else speaks of a leak, keys of which nothing is known are most often those of a small set.
ALONE = {**KEY, "unknown": -2}
CLEANUP = {
    "none": -1,
    "uncalled": 0,
    "clear-only": -2,
    "same-key": 1,
    "wrong-key": 3,
    "success-only": 1,
    "skipped": 3,
    "unanswered": 2,
    "inner-only": 1,
    "by-name": -4,
    "paired": -20,
    "bound": -20,
}
_SEQUENCES = ("list", "deque", "queue", "buffer")


@dataclass(frozen=True, slots=True)
class Growth:
    """A container that grows and is not kept small: the worst place where it grows, and the answers about it."""

    subject: Subject
    site: Seen
    lifetime: Answer
    context: Answer
    key: Answer
    cleanup: Cleanup
    evidence: tuple[Evidence, ...]

    @property
    def score(self) -> int:
        """The sum of the evidence."""
        return sum(item.weight for item in self.evidence)


def growing(project: Project, subject: Subject) -> Growth | None:
    """Return how a container grows at its worst, or None when it does not, or something really bounds it."""
    place = Place(subject.path, subject.owner)
    if place not in project.growths:
        project.growths[place] = _growing(project, subject)
    return project.growths[place]


def _growing(project: Project, subject: Subject) -> Growth | None:
    cleanup = project.cleanup(subject)
    if cleanup.effective:
        return None
    lifetime = project.lifetime(subject)
    best: Growth | None = None
    for site in sites(project, subject):
        if site.event.depth and cleanup.grade == INNER:
            continue
        growth = _weigh(project, subject, site, lifetime, cleanup)
        if best is None or growth.score > best.score:
            best = growth
    return best


def sites(project: Project, subject: Subject) -> Iterator[Seen]:
    """Yield the events that add entries after the container was made; filling it while making it is no growth."""
    nested = {(s.path, s.event.line) for s in subject.events(Op.GROW) if s.event.depth}
    for seen in subject.seen:
        event = seen.event
        if event.op is Op.READ_GROW:
            if subject.container.kind != "defaultdict" or event.depth or (seen.path, event.line) in nested:
                continue
        elif event.op is not Op.GROW:
            continue
        if event.func < 0 or not seen.sure:
            continue
        function = project.function(seen.path, event.func)
        assert function is not None
        if (
            subject.scope == "i"
            and function.name in ("__init__", "__new__", "__post_init__")
            and function.cls == subject.cls
        ) or _just_made(project, seen):
            continue
        if event.method in ("[]=", "[]+=") and event.depth == 0 and subject.container.kind in _SEQUENCES:
            continue
        if event.depth and event.method in ("[]=", "[]+=", "+="):
            continue
        if event.depth and subject.container.kind in (*_SEQUENCES, "set"):
            continue
        yield seen


def _just_made(project: Project, seen: Seen) -> bool:
    """Whether the owner is what the very same function has made: `self.pool = Pool(); self.pool.jobs[key] = job`."""
    holder = seen.event.owner.rpartition(".")[0]
    return "." in holder and any(
        owner == holder and func == seen.event.func and line <= seen.event.line and tags.startswith("new:")
        for owner, tags, line, func in project.files[seen.path].stored
    )


def _weigh(project: Project, subject: Subject, site: Seen, lifetime: Answer, cleanup: Cleanup) -> Growth:
    shared = subject.scope == "c" and not project.lifetimes.copies_defaults(Place(subject.path, subject.cls))
    context = project.context(site)
    if context.value == "registrar" and shared and site.event.owner.startswith("i:"):
        context = Answer(
            "unknown", context.reason, context.path, context.line
        )  # each instance registers with all others
    if subject.scope == "i" and "self" not in site.event.value_origins:
        context = project.contexts.making(site.path, site.event.func) or context
    if context.value == "per-event" and lifetime.value == "likely-short" and " loop " in f"{context.reason} ":
        # a loop that works something off, inside of what is made for a while
        context = Answer("likely-event", context.reason, context.path, context.line)
    key = project.key_domain(subject, site)
    beside = tuple(_sibling(project, subject, site, key, cleanup)) or tuple(
        near_misses(project, subject, site, key, cleanup)
    )
    evidence = [
        _evidence("lifetime", lifetime, LIFETIME),
        _evidence("context", context, CONTEXT),
        _evidence("key", key, KEY if beside or cleanup.grade not in (NONE, CLEAR_ONLY) else ALONE),
        Evidence("cleanup", cleanup.grade, cleanup.reason, _weight(cleanup, context), _place(cleanup)),
        *circumstances.program(project, subject),
        *circumstances.extras(project, subject, site, key, shared),
        *beside,
        *_fresh_registration(project, subject, site, context),
    ]
    return Growth(subject, site, lifetime, context, key, cleanup, tuple(evidence))


def _weight(cleanup: Cleanup, context: Answer) -> int:
    """Emptied entries are a near-miss only where entries are known to come with events, not where a user asks for both."""
    if cleanup.grade == INNER and context.value not in ("per-event", "likely-event"):
        return -1
    return CLEANUP[cleanup.grade]


def _sibling(
    project: Project, subject: Subject, site: Seen, key: Answer, cleanup: Cleanup
) -> Iterator[Evidence]:
    if cleanup.grade not in (NONE, CLEAR_ONLY):
        return
    other = sibling(project, subject, site.event.key)
    if other is not None:
        name = other.event.owner.partition(":")[2].rpartition(".")[2]
        reason = f"the same key is taken out of `{name}`, but not out of `{subject.name}`"
    else:
        evicted = evicted_sibling(project, subject, site.event.key)
        few = key.value in ("population", "likely-finite", "finite")
        beside = evicted or (None if few else paired_sibling(project, subject, site))
        if beside is None:
            return
        name, other = beside.name, project.cleanup(beside).removals[0]
        how = "is kept small" if evicted is not None else "loses them one by one"
        reason = f"`{name}` gains the same keys and {how}, unlike `{subject.name}`"
    place = Location(other.path, other.event.line, other.event.column)
    yield Evidence("sibling", name, reason, 3, place)


def _fresh_registration(
    project: Project, subject: Subject, site: Seen, context: Answer
) -> Iterator[Evidence]:
    """A function that seems to be called at set-up, but is handed an object made in the very call."""
    function = project.function(site.path, site.event.func)
    if (
        function is None
        or subject.scope not in "mc"
        or context.value not in ("called", "unknown", "registrar", "addition")
    ):
        return
    for path, call in project.calls(function.name):
        if call.func < 0 or project.callee(call.callee, path, call.func) != (site.path, site.event.func):
            continue
        made = any(tag.startswith("new:") for argument in call.args for tag in argument.split("|")[:3])
        if made and project.contexts.of_function(path, call.func).value not in ("import", "start-up"):
            caller = project.function(path, call.func)
            name = caller.name if caller is not None else "its caller"
            yield Evidence(
                "caller",
                "fresh object",
                f"`{name}` adds an object that it has just made, each time it runs",
                3,
                Location(path, call.line, call.column),
            )
            return


def _evidence(fact: str, answer: Answer, weights: dict[str, int]) -> Evidence:
    location = Location(answer.path, answer.line) if answer.path and answer.line else None
    return Evidence(fact, answer.value, answer.reason, weights[answer.value], location)


def _place(cleanup: Cleanup) -> Location | None:
    return (
        Location(cleanup.removals[0].path, cleanup.removals[0].event.line, cleanup.removals[0].event.column)
        if cleanup.removals
        else None
    )


def probe(project: Project, subject: Subject, object_types: tuple[str, ...]) -> Probe:
    """Return the address of the container in a live process."""
    kinds = {
        "i": ProbeKind.INSTANCE_ATTRIBUTE,
        "c": ProbeKind.CLASS_ATTRIBUTE,
        "m": ProbeKind.MODULE_ATTRIBUTE,
        "l": ProbeKind.CLOSURE_CELL,
        "d": ProbeKind.DEFAULT_ARGUMENT,
    }
    rest = subject.owner.partition(":")[2]
    qualname, _, attribute = rest.rpartition(".")
    return Probe(
        kinds[subject.scope],
        project.module_name(subject.path),
        subject.path,
        qualname,
        attribute,
        object_types,
    )


def location(subject: Subject) -> Location:
    """Return where the container is created."""
    c = subject.container
    return Location(subject.path, c.line, c.column, c.end_line, c.end_column)


def related(growth: Growth) -> tuple[Related, ...]:
    """Return the places that tell the story: where it grows, and the removal that does not help."""
    event = growth.site.event
    how = "read of a missing key adds it" if event.op is Op.READ_GROW else "grows here"
    context = f", {growth.context.reason}" if growth.context.value not in ("unknown",) else ""
    place = Location(growth.site.path, event.line, event.column, event.line, event.end_column or None)
    found = [Related(place, f"{how}{context}; {growth.key.reason}")]
    found.extend(
        Related(Location(s.path, s.event.line, s.event.column), growth.cleanup.reason)
        for s in growth.cleanup.removals[:2]
    )
    return tuple(found)


def is_deferred(seen: Seen) -> bool:
    """Whether the event is a bound method passed along instead of called."""
    return bool(seen.event.flags & Flag.CALLBACK)
