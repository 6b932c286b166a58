"""LA502: a task that nobody ends."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.concurrency import background, loop_threads
from leakaudit.facts.concurrency.background import Dropped
from leakaudit.facts.project import Project
from leakaudit.findings import Probe, ProbeKind
from leakaudit.scan.rule import Rule, Suspect


class TaskDropped(Rule):
    """A task or thread is started and left running: the loser of a race, or an endless loop that nothing ends.

    ## What it does

    Flags tasks that are made for `asyncio.wait(..., return_when=FIRST_COMPLETED)` and neither cancelled nor awaited when
    another one comes first; tasks that run `while True` and are started by a context manager, a `start` or code that runs
    per event, while their handle is dropped or never cancelled; and threads that run `while True` and look at no flag.

    A thread that runs an event loop of its object counts, too, when nothing stops the loop, or when `stop` can tell it only through an attribute that the thread itself
    sets: a stop that comes too early tells nobody.

    ## Why it leaks

    The event loop keeps a pending task alive, and the task keeps its coroutine with all of its variables. A task that
    waits for an event that never comes stays until the process ends; one more is added with every turn or call.

    ## Example

        import asyncio

        async def serve(stop, queue):
            while True:
                await asyncio.wait(
                    [asyncio.create_task(stop.wait()), asyncio.create_task(queue.get())],
                    return_when=asyncio.FIRST_COMPLETED,
                )

    ## Use instead

        import asyncio

        async def serve(stop, queue):
            stopped = asyncio.create_task(stop.wait())
            while not stop.is_set():
                item = asyncio.create_task(queue.get())
                done, pending = await asyncio.wait([stopped, item], return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()

    ## What we do not flag

    Losers that end by themselves (`sleep`, a timeout); tasks that are cancelled, awaited, gathered, stored or handed on;
    races whose pending half is looked at; task groups; loops with a way out (a flag, `break`, `return`); a task that the
    program's `main` starts once.

    ## References

    - https://docs.python.org/3/library/asyncio-task.html#asyncio.wait
    - https://docs.python.org/3/library/asyncio-task.html#asyncio.Task.cancel
    """

    code = "LA502"
    name = "task-dropped"
    object_types = ("_asyncio.Task", "asyncio.Task", "coroutine", "threading.Thread")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the losers of races and the endless tasks that nothing ends."""
        for dropped in background.lost_races(project):
            yield self._suspect(
                project,
                dropped,
                "cancel what is still pending after the wait: `for task in pending: task.cancel()`",
            )
        for dropped in background.endless(project):
            yield self._suspect(
                project,
                dropped,
                "keep the task and end it in `finally` or `stop`: `task.cancel()`, then await it",
            )

        for dropped in background.threads(project):
            yield self._suspect(
                project,
                dropped,
                "let it wait on an Event instead of sleeping; set the event and join the thread in `stop`",
            )

        for dropped in loop_threads.deaf(project):
            yield self._suspect(
                project,
                dropped,
                "let the thread set an Event once it can be told, and wait for that before telling it to stop",
            )

        for dropped in loop_threads.unstopped(project):
            yield self._suspect(
                project,
                dropped,
                "give the object a `stop` that calls `loop.call_soon_threadsafe(loop.stop)`, joins the thread and closes the loop",
            )

    def _suspect(self, project: Project, dropped: Dropped, remedy: str) -> Suspect:
        function = project.function(dropped.path, dropped.func)
        qualname = function.qualname if function is not None else ""
        module = project.module_name(dropped.path)
        symbol = f"{module}.{qualname}.<locals>.{dropped.name}" if dropped.name else f"{module}.{qualname}"
        return Suspect(
            location=dropped.location,
            symbol=symbol,
            message=f"the {dropped.what} `{dropped.name or dropped.text}` is left running: {dropped.why}",
            evidence=dropped.evidence,
            related=dropped.related,
            notes=(dropped.evidence[0].reason,),
            help=(remedy,),
            probe=self._probe(project, dropped),
            scope=dropped.text,
        )

    def _probe(self, project: Project, dropped: Dropped) -> Probe | None:
        if dropped.target is None:
            return None
        path, index = dropped.target
        function = project.function(path, index)
        assert function is not None
        kind = ProbeKind.THREADS if dropped.what == "thread" else ProbeKind.TASKS
        return Probe(kind, project.module_name(path), path, function.qualname, "", self.object_types)
