"""LA501: tasks, futures or threads that stay in a container after their work is done."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.concurrency import tasks
from leakaudit.facts.concurrency.tasks import Retained
from leakaudit.facts.growth import judge
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Finding, Fix, Location, Related
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Rule, Suspect


class TaskRetained(Rule):
    """Tasks, futures, threads or timers are put into a long-lived container and stay there when they are done.

    ## What it does

    Flags a list, set or dict of a module, a class or a long-lived object into which code that runs again and again puts
    what it starts (`create_task`, `submit`, `Thread`, `call_later`, ...), while nothing takes it out when its work ends.
    A container that is only emptied when everything is stopped counts as never emptied.

    ## Why it leaks

    A finished task keeps its result or its exception, the exception keeps the frames that it passed, and the task keeps
    the context that it ran in. One entry per event stays for as long as the container.

    ## Example

        import asyncio

        class Queue:
            def __init__(self):
                self._tasks = []

            async def run(self):
                while True:
                    event = await self.next_event()
                    self._tasks.append(asyncio.create_task(self.process(event)))

            def shutdown(self):
                for task in self._tasks:
                    task.cancel()
                self._tasks = []

    ## Use instead

        import asyncio

        class Queue:
            def __init__(self):
                self._tasks = set()

            async def run(self):
                while True:
                    event = await self.next_event()
                    task = asyncio.create_task(self.process(event))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

            def shutdown(self):
                for task in list(self._tasks):
                    task.cancel()
                self._tasks.clear()

    ## What we do not flag

    Entries that a done-callback, a `finally`, a sweep or a gather-and-clear takes out; threads that are started once, at
    start-up; containers that are local to one call; futures held weakly; one slot per name of a small set.

    ## References

    - https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
    - https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.Future.add_done_callback
    """

    code = "LA501"
    name = "task-retained"
    object_types = ("_asyncio.Task", "asyncio.Future", "concurrent.futures.Future", "threading.Thread")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the containers in which finished work piles up."""
        for subject in project.subjects.values():
            if subject.scope in "imc" and tasks.holds_tasks(subject):
                retained = tasks.retained(project, subject)
                if retained is not None:
                    yield self._suspect(project, subject, retained)

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Discard it when it is done."""
        from leakaudit.fixes.discard_callback import discard_when_done

        return discard_when_done(finding, module)

    def _suspect(self, project: Project, subject: Subject, retained: Retained) -> Suspect:
        event = retained.site.event
        put_in = Location(retained.site.path, event.line, event.column, event.line, event.end_column or None)
        removals = retained.cleanup.removals[:2]
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=f"`{subject.name}` keeps every `{event.value or 'task'}` after its work is done",
            evidence=retained.evidence,
            related=(
                Related(put_in, f"put in here: {retained.context.reason}"),
                *(
                    Related(Location(s.path, s.event.line, s.event.column), retained.cleanup.reason)
                    for s in removals
                ),
            ),
            notes=(retained.lifetime.reason, retained.cleanup.reason),
            help=(self._remedy(subject),),
            probe=judge.probe(project, subject, self.object_types),
            cap=Confidence.HIGH if judge.CONTEXT[retained.context.value] > 0 else Confidence.MEDIUM,
        )

    def _remedy(self, subject: Subject) -> str:
        name = f"self.{subject.name}" if subject.scope == "i" else subject.name
        if subject.container.kind in ("dict", "defaultdict"):
            return f"take it out when it ends: `task.add_done_callback(lambda done: {name}.pop(key, None))`"
        if subject.container.kind == "set":
            return f"take it out when it ends: `task.add_done_callback({name}.discard)`"
        return f"use a set, and take it out when it ends: `task.add_done_callback({name}.discard)`"
