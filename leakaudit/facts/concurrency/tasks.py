"""Containers of tasks, futures, threads and timers: do entries leave when their work is done?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.growth import judge
from leakaudit.facts.growth.cleanup import BOUND, BY_NAME, CLEAR_ONLY, NONE, PAIRED, Cleanup
from leakaudit.facts.linking.linked import Seen, Subject
from leakaudit.facts.model import Flag, Op
from leakaudit.facts.project import Project
from leakaudit.facts.resources import STARTED
from leakaudit.facts.tables import TASK_CALLS
from leakaudit.findings import Evidence, Location

_ANNOTATION = re.compile(r"\b(Task|Future|Thread|TimerHandle|Timer|Handle)\b(?!\w)")
_NAMED = frozenset("task tasks future futures fut futs thread threads timer timers".split())
_STOPPING = frozenset(
    "cancel stop shutdown close terminate kill destroy teardown dispose exit aexit del quit abort finalize unload aclose interrupt".split()
)
_STARTED = TASK_CALLS | STARTED
_ACCESSORS = frozenset("get pop popleft popitem setdefault next getattr".split())
_PUTS = frozenset("append add appendleft insert []= setdefault".split())
_CLEANUP = {NONE: 2, CLEAR_ONLY: 1, "uncalled": 2, BY_NAME: -3}


@dataclass(frozen=True, slots=True)
class Retained:
    """A container in which finished work stays: where it is put in, and the answers about it."""

    site: Seen
    lifetime: Answer
    context: Answer
    cleanup: Cleanup
    evidence: tuple[Evidence, ...]

    @property
    def score(self) -> int:
        """The sum of the evidence."""
        return sum(item.weight for item in self.evidence)


def holds_tasks(subject: Subject) -> bool:
    """Tell by annotation or by what is stored whether a container holds work in progress."""
    if _ANNOTATION.search(subject.container.annotation):
        return True
    return any(_is_task(s) for s in subject.events(Op.GROW))


def _is_task(seen: Seen) -> bool:
    for tag in seen.event.value_origins[:3]:
        verb, _, name = tag.partition(":")
        if verb in ("call", "new") and name.rpartition(".")[2] in _STARTED and not name.startswith("psutil."):
            return True
    made = any(
        tag.startswith("call:") and tag.rpartition(".")[2] not in _ACCESSORS
        for tag in seen.event.value_origins[:2]
    )
    return made and bool(set(words(seen.event.value)[-1:]) & _NAMED)


def retained(project: Project, subject: Subject) -> Retained | None:
    """Return the worst place where work is put in that never leaves, or None when it leaves in time."""
    cleanup = _grade(project, subject)
    if cleanup.effective:
        return None
    lifetime = project.lifetime(subject)
    found = [
        _weigh(project, subject, site, lifetime, cleanup)
        for site in judge.sites(project, subject)
        if _stores_one(subject, site)
    ]
    return max(found, key=lambda r: r.score, default=None)


def _stores_one(subject: Subject, site: Seen) -> bool:
    if site.event.op != Op.GROW or site.event.depth or site.event.method not in _PUTS:
        return False
    return _is_task(site) or _ANNOTATION.search(subject.container.annotation) is not None


def _grade(project: Project, subject: Subject) -> Cleanup:
    """Like the grade of any container, but emptying it while stopping everything is no cleanup."""
    known = project.cleanup(subject)
    if known.grade not in (PAIRED, BOUND) or not known.removals or subject.container.bound:
        return known
    if all(_stops_all(project, s) for s in known.removals):
        function = project.function(known.removals[0].path, known.removals[0].event.func)
        name = function.name if function is not None else "?"
        return Cleanup(CLEAR_ONLY, f"only `{name}`, which stops everything, empties it", known.removals)
    return known


def _stops_all(project: Project, seen: Seen) -> bool:
    if seen.event.op not in (Op.CLEAR, Op.REBIND) or seen.event.flags & Flag.CALLBACK:
        return False
    function = project.function(seen.path, seen.event.func)
    return function is not None and bool(set(words(function.name)[:2]) & _STOPPING)


def _weigh(project: Project, subject: Subject, site: Seen, lifetime: Answer, cleanup: Cleanup) -> Retained:
    context = project.context(site)
    evidence = [
        Evidence("lifetime", lifetime.value, lifetime.reason, judge.LIFETIME[lifetime.value], _at(lifetime)),
        Evidence("context", context.value, context.reason, judge.CONTEXT[context.value], _at(context)),
        Evidence("cleanup", cleanup.grade, cleanup.reason, _CLEANUP.get(cleanup.grade, 0)),
        Evidence("value", "task", f"`{site.event.value}` stays after its work is done", 2),
    ]
    if site.event.key:
        key = project.key_domain(subject, site)
        evidence.append(Evidence("key", key.value, key.reason, judge.KEY[key.value]))
    return Retained(site, lifetime, context, cleanup, tuple(evidence))


def _at(answer: Answer) -> Location | None:
    return Location(answer.path, answer.line) if answer.path and answer.line else None
