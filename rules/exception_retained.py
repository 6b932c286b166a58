"""LA204: an exception is kept, and with it the traceback, its frames and their local variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts import judge
from leakaudit.facts.exception_evidence import WHAT, of_held, of_kept, of_remembered, of_shared
from leakaudit.facts.exceptions import (
    Kept,
    Remembered,
    Shared,
    held_by_frame,
    kept,
    remembered,
    shared,
    taken,
)
from leakaudit.facts.linked import Place
from leakaudit.findings import Confidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.model import Raise
    from leakaudit.facts.project import Project

_HELP = (
    "keep what you need of it: `str(e)`, its type, `traceback.TracebackException.from_exception(e)`",
    "or let go of the frames first: `e.with_traceback(None)`, `traceback.clear_frames(e.__traceback__)`",
)


class ExceptionRetained(Rule):
    """An exception object outlives its handler: it keeps its traceback, every frame in it and all their variables.

    ## What it does

    Flags exceptions that are put into a container, an exception object made once at module level and raised many times,
    and a variable that still holds the exception that its own frame raises.

    ## Why it leaks

    `e.__traceback__` refers to the frames from the handler down to where the exception was raised, and a frame to all its
    local variables: requests, buffers, sockets. Raising the same object again adds frames to the traceback it already has.

    ## Example

        from collections import deque

        class Publisher:
            def __init__(self):
                self.failed = deque()

            def publish(self, message):
                try:
                    self.send(message)
                except OSError as error:
                    self.failed.append((message, error))

            def serve_forever(self):
                while True:
                    self.publish(self.receive())

    ## Use instead

        from collections import deque

        class Publisher:
            def __init__(self):
                self.failed = deque(maxlen=1000)

            def publish(self, message):
                try:
                    self.send(message)
                except OSError as error:
                    self.failed.append((message, str(error)))

            def serve_forever(self):
                while True:
                    self.publish(self.receive())

    ## What we do not flag

    The text, type or arguments of an exception; `with_traceback(None)`; lists of errors local to a call; a future's
    `set_exception`; queues that hand an exception to another thread; the last error in an attribute, unless it is raised again.

    ## References

    - https://docs.python.org/3/reference/datamodel.html#traceback-objects
    - https://docs.python.org/3/library/traceback.html#traceback.TracebackException
    """

    code = "LA204"
    name = "exception-retained"
    object_types = ("traceback", "frame")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield kept, shared and self-held exceptions."""
        for item in kept(project):
            yield self._kept(project, item)
        for constant in shared(project):
            yield self._shared(project, constant)
        for path, raised in held_by_frame(project):
            yield self._held(project, path, raised)
        for attribute in remembered(project):
            yield self._remembered(project, attribute)

    def _kept(self, project: Project, item: Kept) -> Suspect:
        subject, event = item.subject, item.seen.event
        lifetime, cleanup = project.lifetime(subject), project.cleanup(subject)
        return Suspect(
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
            probe=judge.probe(project, subject, self.object_types),
        )

    def _shared(self, project: Project, constant: Shared) -> Suspect:
        first = constant.raised[0]
        places = [Location(path, item.line, item.column) for path, item in constant.raised]
        name = constant.symbol.rpartition(".")[2]
        return Suspect(
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
                self.object_types,
            ),
        )

    def _held(self, project: Project, path: str, raised: Raise) -> Suspect:
        name = raised.owner.rpartition(".")[2].removesuffix("[]")
        function = project.function(path, raised.func)
        qualname = function.qualname if function is not None else ""
        return Suspect(
            location=Location(path, raised.line, raised.column),
            symbol=f"{project.module_name(path)}.{qualname}.<locals>.{name}",
            message=f"`{name}` holds the exception that this frame raises: a cycle for every error, with all that the frame holds",
            evidence=tuple(of_held(project, path, raised, name)),
            help=(f"unbind it on the way out: `try: raise {name}` ... `finally: del {name}`",),
            cap=Confidence.MEDIUM,
        )

    def _remembered(self, project: Project, item: Remembered) -> Suspect:
        cls, _, name = item.owner[2:].rpartition(".")
        module = project.module_name(item.path)
        lifetime = project.lifetimes.of_class(Place(item.path, cls))
        return Suspect(
            location=Location(item.path, item.line),
            symbol=f"{module}.{cls}.{name}",
            message=f"`{name}` keeps an exception that is raised again and again, each time with more frames in its traceback",
            evidence=tuple(of_remembered(project, item, lifetime)),
            related=tuple(
                Related(Location(item.path, r.line, r.column), "raised here") for r in item.raised[:3]
            ),
            notes=(lifetime.reason,),
            help=(f"raise a new exception `from` the old one, or `raise self.{name}.with_traceback(None)`",),
            probe=Probe(ProbeKind.INSTANCE_ATTRIBUTE, module, item.path, cls, name, self.object_types),
            cap=Confidence.MEDIUM,
        )
