"""LA204: an exception is kept, and with it the traceback, its frames and their local variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.exceptions.stories import Story, stories
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project


class ExceptionRetained(Rule):
    """An exception object outlives its handler: it keeps its traceback, every frame in it and all their variables.

    ## What it does

    Flags exceptions that are put into a container, an exception object made once at module level and raised many times,
    and a variable that still holds the exception that its own frame raises: the result of a call, a list of what went wrong,
    or a future that was made here and is given what was caught here.

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
        for story in stories(project, self.object_types):
            yield _suspect(story)


def _suspect(story: Story) -> Suspect:
    return Suspect(
        location=story.location,
        symbol=story.symbol,
        message=story.message,
        evidence=story.evidence,
        related=story.related,
        notes=story.notes,
        help=story.help,
        probe=story.probe,
        cap=story.cap,
    )
