"""LA204: an exception is kept, and with it the traceback, its frames and their local variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts import judge
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
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.model import Raise
    from leakaudit.facts.project import Project

_LIFETIME = {"process": 3, "long": 2, "likely-long": 1, "keyed": 1, "likely-short": -2, "short": -4}
_CLEANUP = {"none": 1, "uncalled": 1, "paired": -1, "bound": -1, "by-name": -1}
_CONTEXT = {"per-event": 1, "likely-event": 1, "start-up": -3, "import": -8}
_CLOSES = re.compile(r"^_*(a?close|disconnect|shutdown|stop|connection_?lost)$", re.IGNORECASE)
_WHAT = {"exception": "the exception", "exc_info": "the result of `sys.exc_info()`", "failure": "the Failure"}
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
        evidence = [
            Evidence("kept", item.what, f"`{event.value}` holds {_WHAT[item.what]} with its traceback", 3),
            Evidence("lifetime", lifetime.value, lifetime.reason, _LIFETIME.get(lifetime.value, 0)),
            Evidence("cleanup", cleanup.grade, cleanup.reason, _CLEANUP.get(cleanup.grade, 0)),
        ]
        function = project.function(item.seen.path, event.func)
        if subject.container.kind == "queue" and not (function is not None and function.forever):
            evidence.append(Evidence("queue", "handed over", "a consumer takes it out of the queue", -4))
        if subject.container.func >= 0 and (subject.path, subject.container.func) == (
            item.seen.path,
            event.func,
        ):
            evidence.append(Evidence("anew", "rebound", "each call begins with an empty one", -4))
        if item.again and not cleanup.effective:
            evidence.append(Evidence("again", "raised", "raised again, each time with more frames", 2))
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=f"`{subject.name}` keeps {_WHAT[item.what]} with its traceback and the variables of every frame in it",
            evidence=tuple(evidence),
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
        contexts = [project.contexts.of_function(path, item.func) for path, item in constant.raised]
        context = max(contexts, key=lambda answer: _CONTEXT.get(answer.value, 0))
        places = [Location(path, item.line, item.column) for path, item in constant.raised]
        count = len(places)
        evidence = [
            Evidence(
                "shared", "instance", "one exception object; every raise adds frames to its traceback", 5
            ),
            Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0)),
        ]
        if count > 1:
            evidence.append(Evidence("raised", str(count), f"raised at {count} places", 1))
        name = constant.symbol.rpartition(".")[2]
        return Suspect(
            location=Location(constant.path, constant.line) if constant.line else places[0],
            symbol=constant.symbol,
            message=f"`{name}` is one exception object for all raises: its traceback grows with each",
            evidence=tuple(evidence),
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
        context = project.contexts.of_function(path, raised.func)
        evidence = [
            Evidence(
                "cycle",
                "frame",
                f"the traceback refers to the frame, whose variable `{name}` refers to the exception",
                1,
            ),
            Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0)),
        ]
        cls = project.class_at(Place(path, function.cls)) if function is not None and function.cls else None
        closing = next((m for m in cls.methods if _CLOSES.match(m)), "") if cls is not None else ""
        if cls is not None and closing:
            evidence.append(
                Evidence(
                    "holds",
                    cls.qualname,
                    f"the frame also holds a `{cls.qualname}`, which has `{closing}`",
                    1,
                )
            )
        qualname = function.qualname if function is not None else ""
        return Suspect(
            location=Location(path, raised.line, raised.column),
            symbol=f"{project.module_name(path)}.{qualname}.<locals>.{name}",
            message=f"`{name}` holds the exception that this frame raises: a cycle for every error, with all that the frame holds",
            evidence=tuple(evidence),
            help=(f"unbind it on the way out: `try: raise {name}` ... `finally: del {name}`",),
            cap=Confidence.MEDIUM,
        )

    def _remembered(self, project: Project, item: Remembered) -> Suspect:
        cls, _, name = item.owner[2:].rpartition(".")
        module = project.module_name(item.path)
        lifetime = project.lifetimes.of_class(Place(item.path, cls))
        contexts = [project.contexts.of_function(item.path, raised.func) for raised in item.raised]
        context = max(contexts, key=lambda answer: _CONTEXT.get(answer.value, 0))
        return Suspect(
            location=Location(item.path, item.line),
            symbol=f"{module}.{cls}.{name}",
            message=f"`{name}` keeps an exception that is raised again and again, each time with more frames in its traceback",
            evidence=(
                Evidence("again", "raised", "every use of the broken object adds to the traceback", 2),
                Evidence("lifetime", lifetime.value, lifetime.reason, _LIFETIME.get(lifetime.value, 0)),
                Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0)),
            ),
            related=tuple(
                Related(Location(item.path, r.line, r.column), "raised here") for r in item.raised[:3]
            ),
            notes=(lifetime.reason,),
            help=(f"raise a new exception `from` the old one, or `raise self.{name}.with_traceback(None)`",),
            probe=Probe(ProbeKind.INSTANCE_ATTRIBUTE, module, item.path, cls, name, self.object_types),
            cap=Confidence.MEDIUM,
        )
