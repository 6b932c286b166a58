"""How much speaks for an exception that stays: evidence, by the way in which it stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.exceptions.retained import Kept, Remembered, Shared
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Flag
from leakaudit.findings import Evidence

if TYPE_CHECKING:
    from leakaudit.facts.answers import Answer
    from leakaudit.facts.model import FrameCycle, Raise
    from leakaudit.facts.project import Project

_LIFETIME = {"process": 3, "long": 2, "likely-long": 1, "keyed": 1, "likely-short": -2, "short": -4}
_CLEANUP = {"none": 1, "uncalled": 1, "paired": -1, "bound": -1, "by-name": -1}
_CONTEXT = {"per-event": 1, "likely-event": 1, "start-up": -3, "import": -8}
_CLOSES = re.compile(r"^_*(a?close|disconnect|shutdown|stop|connection_?lost)$", re.IGNORECASE)
#: What is kept, in words.
WHAT = {"exception": "the exception", "exc_info": "the result of `sys.exc_info()`", "failure": "the Failure"}


def of_kept(project: Project, item: Kept) -> Iterator[Evidence]:
    """Yield what speaks for an exception in a container."""
    subject, event = item.subject, item.seen.event
    lifetime, cleanup = project.lifetime(subject), project.cleanup(subject)
    yield Evidence("kept", item.what, f"`{event.value}` holds {WHAT[item.what]} with its traceback", 3)
    yield _lifetime(lifetime)
    yield Evidence("cleanup", cleanup.grade, cleanup.reason, _CLEANUP.get(cleanup.grade, 0))
    if subject.container.kind == "queue" and not event.flags & Flag.FOREVER:
        yield Evidence("queue", "handed over", "a consumer takes it out of the queue", -4)
    made = subject.path, subject.container.func
    if subject.container.func >= 0 and made == (item.seen.path, event.func):
        yield Evidence("anew", "rebound", "each call begins with an empty one", -4)
    if item.again and not cleanup.effective:
        yield Evidence("again", "raised", "raised again, each time with more frames", 2)


def of_shared(project: Project, constant: Shared) -> Iterator[Evidence]:
    """Yield what speaks for one exception object that is raised again and again."""
    yield Evidence("shared", "instance", "one exception object; every raise adds frames to its traceback", 5)
    yield _busiest(project, constant.raised)
    if len(constant.raised) > 1:
        count = len(constant.raised)
        yield Evidence("raised", str(count), f"raised at {count} places", 1)


def of_held(project: Project, path: str, held: FrameCycle) -> Iterator[Evidence]:
    """Yield what speaks for a frame that holds the exception it raises."""
    reason = f"the traceback refers to the frame, whose variable `{held.name}` refers to the exception"
    yield Evidence("cycle", "frame", reason, 1 if held.how == "call" else 3)
    yield _context(project.contexts.of_function(path, held.func))
    function = project.function(path, held.func)
    cls = project.class_at(Place(path, function.cls)) if function is not None and function.cls else None
    closing = next((m for m in cls.methods if _CLOSES.match(m)), "") if cls is not None else ""
    if cls is not None and closing:
        also = f"the frame also holds a `{cls.qualname}`, which has `{closing}`"
        yield Evidence("holds", cls.qualname, also, 1)


def of_remembered(project: Project, item: Remembered, lifetime: Answer) -> Iterator[Evidence]:
    """Yield what speaks for an attribute whose exception is raised with every use."""
    yield Evidence("again", "raised", "every use of the broken object adds to the traceback", 2)
    yield _lifetime(lifetime)
    yield _busiest(project, tuple((item.path, raised) for raised in item.raised))


def _lifetime(answer: Answer) -> Evidence:
    return Evidence("lifetime", answer.value, answer.reason, _LIFETIME.get(answer.value, 0))


def _context(answer: Answer) -> Evidence:
    return Evidence("context", answer.value, answer.reason, _CONTEXT.get(answer.value, 0))


def _busiest(project: Project, raised: tuple[tuple[str, Raise], ...]) -> Evidence:
    contexts = [project.contexts.of_function(path, item.func) for path, item in raised]
    return _context(max(contexts, key=lambda answer: _CONTEXT.get(answer.value, 0)))
