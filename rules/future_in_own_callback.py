"""LA208: a done-callback captures the future that it is added to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from leakaudit.facts.holders.futures import OwnCallback, own_callbacks
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related, Severity
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project


class FutureInOwnCallback(Rule):
    """A callback captures the future that it is added to, instead of taking it as its argument.

    ## What it does

    Flags closures and lambdas that are given to `add_done_callback`, `add_future` and the like, and that refer to the future
    by the variable of the function around them.

    ## Why it leaks

    The future holds its callbacks, the callback its closure, and the closure the future. A future of `concurrent.futures`
    keeps its callbacks after it is done, and one that never gets done keeps them in any case: future, result and all that
    was captured wait for the garbage collector.

    ## Example

        def watch(pool, job, report):
            future = pool.submit(job)
            future.add_done_callback(lambda _: report(future.result()))

    ## Use instead

        def watch(pool, job, report):
            future = pool.submit(job)
            future.add_done_callback(lambda done: report(done.result()))

    ## What we do not flag

    Callbacks that use their argument; tasks and futures of an event loop that the function itself made, which drop their
    callbacks when they are done.

    ## References

    - https://docs.python.org/3/library/concurrent.futures.html#concurrent.futures.Future.add_done_callback
    """

    code = "LA208"
    name = "future-in-own-callback"
    severity: ClassVar[Severity] = Severity.INFO
    object_types = ("function", "cell")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the callbacks that hold their own future."""
        for found in own_callbacks(project):
            yield self._suspect(project, found)

    def _suspect(self, project: Project, found: OwnCallback) -> Suspect:
        call, closure = found.call, found.closure
        module = project.module_name(found.path)
        kept = "a lambda" if closure.name == "<lambda>" else f"`{closure.name}`"
        function = project.files[found.path].functions[call.func]
        return Suspect(
            location=Location(found.path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{function.qualname}.<locals>.{found.name}",
            message=f"`{found.name}` holds {kept} as its callback, which captured `{found.name}`: a cycle for each call",
            evidence=tuple(self._evidence(found)),
            related=(
                Related(
                    Location(found.path, closure.line, closure.column), f"{kept} captures `{found.name}`"
                ),
            ),
            help=(f"use the argument of the callback, which is `{found.name}`, instead of capturing it",),
            probe=Probe(ProbeKind.TYPE_COUNT, module, found.path, function.qualname, "", self.object_types),
            cap=Confidence.MEDIUM,
        )

    def _evidence(self, found: OwnCallback) -> Iterator[Evidence]:
        yield Evidence("cycle", "callback", "the future, its callback and the closure hold one another", 3)
        if found.cleared:
            yield Evidence(
                "cleared", "loop", "a future of the event loop drops its callbacks when it is done", -2
            )
