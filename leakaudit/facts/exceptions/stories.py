"""What there is to say about an exception that stays, by the way in which it stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.exceptions.evidence import WHAT, of_held, of_kept, of_remembered, of_shared
from leakaudit.facts.exceptions.retained import (
    Kept,
    Remembered,
    Shared,
    held_by_frame,
    kept,
    remembered,
    shared,
    taken,
)
from leakaudit.facts.growth import judge
from leakaudit.facts.linking.linked import Place
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related

if TYPE_CHECKING:
    from leakaudit.facts.model import FrameCycle
    from leakaudit.facts.project import Project

_HELP = (
    "keep what you need of it: `str(e)`, its type, `traceback.TracebackException.from_exception(e)`",
    "or let go of the frames first: `e.with_traceback(None)`, `traceback.clear_frames(e.__traceback__)`",
)
_LET_GO = {
    "call": "unbind it on the way out: `try: raise {name}` ... `finally: del {name}`",
    "future": "unbind the future on the way out: `finally: del {name}`, or have a function of its own run the work",
    "list": "empty it on the way out: `finally: {name}.clear()`",
}


@dataclass(frozen=True, slots=True)
class Story:
    """All that a finding about one exception says."""

    location: Location
    symbol: str
    message: str
    evidence: tuple[Evidence, ...]
    related: tuple[Related, ...] = ()
    notes: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    probe: Probe | None = None
    cap: Confidence = Confidence.HIGH


def stories(project: Project, types: tuple[str, ...]) -> Iterator[Story]:
    """Yield kept, shared, self-held and remembered exceptions; `types` are what the runtime half counts."""
    for item in kept(project):
        yield _kept(project, item, types)
    for constant in shared(project):
        yield _shared(project, constant, types)
    for path, held in held_by_frame(project):
        yield _held(project, path, held)
    for attribute in remembered(project):
        yield _remembered(project, attribute, types)


def _kept(project: Project, item: Kept, types: tuple[str, ...]) -> Story:
    subject, event = item.subject, item.seen.event
    lifetime, cleanup = project.lifetime(subject), project.cleanup(subject)
    return Story(
        location=judge.location(subject),
        symbol=project.symbol(subject),
        message=f"`{subject.name}` keeps {WHAT[item.what]} with its traceback and the variables of every frame in it",
        evidence=tuple(of_kept(project, item)),
        related=(
            *(Related(Location(item.seen.path, line), "taken here") for line in taken(project, item)),
            Related(Location(item.seen.path, event.line, event.column), "put in here"),
            *(
                Related(Location(path, raised.line, raised.column), "raised again here")
                for path, raised in item.again[:3]
            ),
        ),
        notes=(lifetime.reason, cleanup.reason),
        help=_HELP,
        probe=judge.probe(project, subject, types),
    )


def _shared(project: Project, constant: Shared, types: tuple[str, ...]) -> Story:
    first = constant.raised[0]
    places = [Location(path, item.line, item.column) for path, item in constant.raised]
    name = constant.symbol.rpartition(".")[2]
    return Story(
        location=Location(constant.path, constant.line) if constant.line else places[0],
        symbol=constant.symbol,
        message=f"`{name}` is one exception object for all raises: its traceback grows with each",
        evidence=tuple(of_shared(project, constant)),
        related=tuple(Related(place, "raised here") for place in places[:5]),
        help=(
            "make a new one for each raise: `raise ValueError(...)`",
            f"or drop the old frames: `raise {name}.with_traceback(None)`",
        ),
        probe=Probe(
            ProbeKind.MODULE_ATTRIBUTE,
            project.module_name(first[0]),
            constant.path,
            "",
            name,
            types,
        ),
    )


def _held(project: Project, path: str, held: FrameCycle) -> Story:
    function = project.function(path, held.func)
    qualname = function.qualname if function is not None else ""
    return Story(
        location=Location(path, held.line, held.column),
        symbol=f"{project.module_name(path)}.{qualname}.<locals>.{held.name}",
        message=f"`{held.name}` holds an exception whose traceback holds this very frame: "
        "a cycle for every error, with all that the frame refers to, until the collector runs",
        evidence=tuple(of_held(project, path, held)),
        help=(_LET_GO[held.how].format(name=held.name),),
        cap=Confidence.MEDIUM,
    )


def _remembered(project: Project, item: Remembered, types: tuple[str, ...]) -> Story:
    cls, _, name = item.owner[2:].rpartition(".")
    module = project.module_name(item.path)
    lifetime = project.lifetimes.of_class(Place(item.path, cls))
    return Story(
        location=Location(item.path, item.line),
        symbol=f"{module}.{cls}.{name}",
        message=f"`{name}` keeps an exception that is raised again and again, each time with more frames in its traceback",
        evidence=tuple(of_remembered(project, item, lifetime)),
        related=tuple(Related(Location(item.path, r.line, r.column), "raised here") for r in item.raised[:3]),
        notes=(lifetime.reason,),
        help=(f"raise a new exception `from` the old one, or `raise self.{name}.with_traceback(None)`",),
        probe=Probe(ProbeKind.INSTANCE_ATTRIBUTE, module, item.path, cls, name, types),
        cap=Confidence.MEDIUM,
    )
