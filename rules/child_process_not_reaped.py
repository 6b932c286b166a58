"""LA506: a child process that nobody waits for."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.owning import children
from leakaudit.facts.owning.children import Orphan
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Probe, ProbeKind, Severity
from leakaudit.scan.rule import Rule, Suspect


class ChildProcessNotReaped(Rule):
    """A child process is started again and again, and nobody waits for its end.

    ## What it does

    Flags `subprocess.Popen`, `multiprocessing.Process` and `asyncio.create_subprocess_*` in code that runs per event, when
    the handle is dropped, forgotten at the end of the function, or kept in an attribute that nothing waits for.

    ## Why it leaks

    A child that has ended stays in the process table until its parent asks for its exit status. Its pipes stay open with
    the handle. CPython reaps forgotten children when it starts the next one, so the harm is small; without a next one, or
    with the handles kept, they stay.

    ## Example

        import subprocess

        def serve_forever(queue):
            while True:
                convert(queue.get())

        def convert(job):
            subprocess.Popen(["convert", job.path, job.target])

    ## Use instead

        import subprocess

        def serve_forever(queue):
            while True:
                convert(queue.get())

        def convert(job):
            subprocess.run(["convert", job.path, job.target], timeout=60, check=True)

    ## What we do not flag

    `with Popen(...)`; a handle that is waited for, polled, joined, returned, stored where something waits for it, or passed
    on; what `main` or start-up code starts once.

    ## References

    - https://docs.python.org/3/library/subprocess.html#subprocess.Popen.wait
    - https://docs.python.org/3/library/multiprocessing.html#multiprocessing.Process.join
    """

    code = "LA506"
    name = "child-process-not-reaped"
    severity = Severity.INFO
    object_types = ("subprocess.Popen", "multiprocessing.context.Process", "asyncio.subprocess.Process")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the child processes that nobody waits for."""
        for orphan in children.orphans(project):
            yield self._suspect(project, orphan)

    def _suspect(self, project: Project, orphan: Orphan) -> Suspect:
        function = project.function(orphan.path, orphan.func)
        qualname = function.qualname if function is not None else ""
        module = project.module_name(orphan.path)
        symbol = f"{module}.{qualname}.<locals>.{orphan.name}" if orphan.name else f"{module}.{qualname}"
        return Suspect(
            location=orphan.location,
            symbol=symbol,
            message=f"the child process{f' in `{orphan.name}`' if orphan.name else ''} {orphan.why}",
            evidence=orphan.evidence,
            notes=(orphan.evidence[0].reason,),
            help=(
                "wait for it: `with Popen(...) as child:`, `subprocess.run`, or `child.wait()` where its end is known",
            ),
            probe=Probe(ProbeKind.TYPE_COUNT, module, orphan.path, object_types=self.object_types),
            cap=Confidence.MEDIUM,
        )
