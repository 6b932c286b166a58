"""LA503: a queue without a bound between two parties that do not wait for each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.concurrency import queues
from leakaudit.facts.concurrency.queues import Backlog
from leakaudit.facts.growth import judge
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Location, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.findings import Finding
    from leakaudit.scan.module import Module


class UnboundedQueue(Rule):
    """A queue without `maxsize` is filled by one party and emptied by another at its own pace, or by nobody.

    ## What it does

    Flags `asyncio.Queue()`, `queue.Queue()` and their kin without a size: one for every subscriber, connection or request,
    that somebody else fills and that is emptied by whoever reads from it; one that nothing empties.

    ## Why it leaks

    The writer never waits. A reader that is slow, stuck or gone leaves everything in the queue that is written meanwhile,
    and `await queue.put()` on a queue without a bound only looks as if it waited.

    ## Example

        import asyncio

        class Broadcaster:
            def __init__(self):
                self._queues = set()

            async def subscribe(self):
                queue = asyncio.Queue()
                self._queues.add(queue)
                try:
                    while True:
                        yield await queue.get()
                finally:
                    self._queues.discard(queue)

            async def on_message(self, message):
                for queue in self._queues:
                    await queue.put(message)

    ## Use instead

        import asyncio

        class Broadcaster:
            def __init__(self):
                self._queues = set()

            async def subscribe(self):
                queue = asyncio.Queue(maxsize=100)
                self._queues.add(queue)
                try:
                    while True:
                        yield await queue.get()
                finally:
                    self._queues.discard(queue)

            async def on_message(self, message):
                for queue in list(self._queues):
                    try:
                        queue.put_nowait(message)
                    except asyncio.QueueFull:
                        self._queues.discard(queue)

    ## What we do not flag

    Queues with `maxsize`; a queue whose own class also runs the loop that empties it; queues that carry only a signal;
    classes that compare `qsize()` with a limit or pause their source; work lists that one function fills and empties.

    ## References

    - https://docs.python.org/3/library/asyncio-queue.html#asyncio.Queue
    - https://trio.readthedocs.io/en/stable/reference-core.html#buffering-in-channels
    """

    code = "LA503"
    name = "unbounded-queue"
    object_types = ("asyncio.queues.Queue", "queue.Queue", "_queue.SimpleQueue", "collections.deque")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the queues that may grow without limit."""
        for backlog in queues.backlogs(project):
            yield self._suspect(project, backlog)

    def _suspect(self, project: Project, backlog: Backlog) -> Suspect:
        subject, event = backlog.subject, backlog.put.event
        put = Location(backlog.put.path, event.line, event.column, event.line, event.end_column or None)
        consumer = next(
            (e for e in backlog.evidence if e.fact == "consumer" and e.location is not None), None
        )
        related = [Related(put, "filled here, without ever waiting")]
        if consumer is not None and consumer.location is not None:
            related.append(Related(consumer.location, consumer.reason))
        what = "holds queues without a bound" if backlog.fan_out else "is a queue without a bound"
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=f"`{subject.name}` {what}: {backlog.why}",
            evidence=backlog.evidence,
            related=tuple(related),
            notes=(backlog.evidence[0].reason,),
            help=(
                "give it a `maxsize`, and say what happens when it is full: wait with `await put()`, drop, or drop the reader",
            ),
            probe=judge.probe(project, subject, self.object_types),
            cap=Confidence.HIGH if backlog.unread or backlog.fan_out else Confidence.MEDIUM,
        )

    def check(self, suspect: Suspect, module: Module) -> Finding | None:
        """Clear a queue that seemed to be read by nobody, when its name stands in the text once more."""
        if any(e.fact == "consumer" and e.value == "none" for e in suspect.evidence):
            name = re.escape(suspect.symbol.rpartition(".")[2])
            other = re.compile(rf"\b{name}\b(?!\s*\.\s*(put|put_nowait|qsize|empty)\b)(?!\s*[:=])")
            if any(other.search(line.partition("#")[0]) for line in module.lines):
                return None
        return self.finding(suspect)
