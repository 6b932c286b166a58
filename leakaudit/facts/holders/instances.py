"""Instances that put themselves into a module- or class-level container: where, in what method, who takes them out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.answers import Answer
from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.model import Function, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__", "__attrs_post_init__", "model_post_init"})
_FINALIZERS = frozenset({"__del__", "__delete__", "finalizer"})
_ENROLS = re.compile(
    r"^_*(register|add|enrol|enroll|track|attach|start|open|connect|launch|init|initialize|setup)"
)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """`method` of class `cls` puts the instance into `subject`; `seen` is the event that adds it.

    `via` is the module-level function that the constructor hands the instance to, or None.
    """

    subject: Subject
    seen: Seen
    cls: Place
    method: Function
    via: Function | None = None

    @property
    def in_constructor(self) -> bool:
        """Whether every instance is added, not only some."""
        return self.method.name in CONSTRUCTORS

    @property
    def keyed(self) -> bool:
        """Whether a key other than the instance's own identity decides how many there are."""
        return bool(self.seen.event.key) and self.seen.event.key_origins[:1] not in (("self",), ("id",))


def enrolments(project: Project) -> Iterator[Enrolment]:
    """Yield the places where an instance adds itself to a container that lives as long as the process."""
    for subject in project.subjects.values():
        if subject.scope not in "mc" or subject.container.weak:
            continue
        for seen in subject.events(Op.GROW):
            function = project.function(seen.path, seen.event.func)
            if function is None or seen.event.depth or not seen.sure:
                continue
            if function.cls and adds_itself(project, seen, function):
                yield Enrolment(subject, seen, Place(seen.path, function.cls), function)
            elif not function.cls and function.params[:1]:
                yield from _handed_over(project, subject, seen, function)


def adds_itself(project: Project, seen: Seen, function: Function) -> bool:
    """Tell whether what an event stores is the instance whose method this is."""
    tags = seen.event.value_origins
    if tags[:1] == ("self",):
        return not _is_metaclass(project, Place(seen.path, function.cls))
    if function.name != "__new__" or seen.event.key or _is_metaclass(project, Place(seen.path, function.cls)):
        return False
    return tags[:1] != () and tags[0].startswith("local:") and any(tag.endswith(".__new__") for tag in tags)


def _is_metaclass(project: Project, place: Place) -> bool:
    bases = project.base_names(place)
    return "type" in bases or any("Meta" in name for name in bases)


def _handed_over(project: Project, subject: Subject, seen: Seen, function: Function) -> Iterator[Enrolment]:
    """The constructors that call `function(self)`, where `function` stores its first parameter."""
    tag = f"param:{function.params[0].name}:"
    if not any(origin.startswith(tag) for origin in seen.event.value_origins[:1]):
        return
    for caller in project.callers.of(seen.path, seen.event.func):
        method = project.function(caller.path, caller.func)
        if method is None or caller.passed or method.name not in CONSTRUCTORS:
            continue
        if any(name.startswith("self:") for name in method.refs):
            yield Enrolment(subject, seen, Place(caller.path, method.cls), method, function)


def removal(project: Project, subject: Subject) -> Answer:
    """Tell who takes instances out: `finalizer` (never runs while they are kept), `effective`, or the cleanup's grade."""
    cleanup = project.cleanup(subject)
    if cleanup.removals:
        first = cleanup.removals[0]
        one_by_one = subject.events(Op.SHRINK)  # what empties all is no use to a single instance
        names = {_name(project, seen) for seen in one_by_one or subject.events(Op.CLEAR, Op.TRIM)}
        if names and names <= _FINALIZERS:
            return Answer(
                "finalizer",
                f"only `{next(iter(names))}` takes it out, which cannot run while it is kept",
                first.path,
                first.event.line,
            )
        return Answer(
            "effective" if cleanup.effective else cleanup.grade, cleanup.reason, first.path, first.event.line
        )
    return Answer("effective" if cleanup.effective else cleanup.grade, cleanup.reason)


def _name(project: Project, seen: Seen) -> str:
    function = project.function(seen.path, seen.event.func)
    return function.name if function is not None else ""


def is_enrolling(method: Function) -> bool:
    """Tell by its name whether a method is called once in an instance's life to enlist it."""
    return method.name in CONSTRUCTORS or _ENROLS.match(method.name) is not None
