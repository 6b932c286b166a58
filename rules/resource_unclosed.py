"""LA505: a file, socket, session, client, pool or loop that is not closed on every way out."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.owning import (
    closed_by_reply,
    half_made,
    let_go,
    owned_attributes,
    owned_locals,
    skipped_close,
    temporaries,
)
from leakaudit.facts.owning.ownership import Unclosed
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Probe, ProbeKind
from leakaudit.scan.rule import Rule, Suspect

_TYPES = {
    "file": ("_io.TextIOWrapper", "_io.BufferedReader", "_io.BufferedWriter"),
    "socket": ("socket.socket",),
    "executor": (
        "concurrent.futures.thread.ThreadPoolExecutor",
        "concurrent.futures.process.ProcessPoolExecutor",
    ),
    "session": ("requests.sessions.Session", "aiohttp.client.ClientSession"),
    "client": ("httpx.Client", "httpx.AsyncClient"),
    "event loop": ("asyncio.unix_events._UnixSelectorEventLoop",),
    "figure": ("matplotlib.figure.Figure",),
    "thread": ("threading.Thread",),
}


class ResourceUnclosed(Rule):
    """Something that must be closed is made and owned here, but not closed on every way out.

    ## What it does

    Flags a file, socket, session, client, pool, executor, engine, event loop or figure that

    - is held by a local which is never closed, is forgotten on one `return`, or is closed only if nothing raises before:
      what a known maker made, or a cursor, connection or session that another function of the file gets alike and closes;
    - is held by an attribute, while the method that ends the object closes other things and not this one;
    - has its close behind a statement that raises when it is needed most: `shutdown()` of a dead connection;
    - is closed under `except Exception: ...; raise` in a coroutine, which a cancellation passes by;
    - is closed only by the callback that brings an answer, or by `__del__`, while the method that ends the object closes
      other things;
    - has no name: it is read, parsed or dropped in the expression that opens it, or yielded by a context manager;
    - is held by an object whose constructor raises afterwards;
    - is taken out of a table when something fails, or replaced, without the close that it gets elsewhere.

    ## Why it leaks

    Descriptors, threads and connections belong to the operating system or to the other side. An executor keeps its
    threads, a session its connections, a loop its selector; what an exception holds on to is not even collected.

    ## Example

        from concurrent.futures import ThreadPoolExecutor

        def handle_request(request):
            executor = ThreadPoolExecutor(max_workers=4)
            futures = [executor.submit(part.run) for part in request.parts]
            return sum(future.result() for future in futures)

    ## Use instead

        from concurrent.futures import ThreadPoolExecutor

        def handle_request(request):
            with ThreadPoolExecutor(max_workers=4) as executor:
                futures = [executor.submit(part.run) for part in request.parts]
                return sum(future.result() for future in futures)

    ## What we do not flag

    What is returned, yielded, stored, put into a container or passed to a constructor: somebody else owns it then. `with`,
    `ExitStack`, `finally`, handlers that close and raise again. Attributes that only the caller fills, that a subclass
    or another module closes, or whose owner lives as long as the process. What `main` opens once. CPython closes a file
    without a name at once; other interpreters do not, and each such file is told of once per function.

    ## References

    - https://docs.python.org/3/library/contextlib.html#contextlib.closing
    - https://codeql.github.com/codeql-query-help/python/py-file-not-closed/
    """

    code = "LA505"
    name = "resource-unclosed"
    object_types = ("_io.TextIOWrapper", "socket.socket", "concurrent.futures.thread.ThreadPoolExecutor")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the resources that stay open."""
        for source in (
            owned_locals,
            temporaries,
            owned_attributes,
            half_made,
            let_go,
            skipped_close,
            closed_by_reply,
        ):
            for unclosed in source.unclosed(project):
                yield self._suspect(project, unclosed)

    def _suspect(self, project: Project, unclosed: Unclosed) -> Suspect:
        kind = unclosed.resource.kind
        return Suspect(
            location=unclosed.location,
            symbol=unclosed.symbol,
            message=f"the {kind} {_held(unclosed)} {unclosed.why}",
            evidence=unclosed.evidence,
            related=unclosed.related,
            notes=(unclosed.evidence[0].reason,),
            help=(_remedy(unclosed),),
            probe=Probe(
                ProbeKind.TYPE_COUNT,
                project.module_name(unclosed.path),
                unclosed.path,
                object_types=_TYPES.get(kind, self.object_types),
            ),
            scope=unclosed.scope,
            cap=Confidence.HIGH if unclosed.certain else Confidence.MEDIUM,
        )


def _held(unclosed: Unclosed) -> str:
    return f"of `{unclosed.name}`" if unclosed.scope == "temporary" else f"in `{unclosed.name}`"


def _remedy(unclosed: Unclosed) -> str:
    name = unclosed.name
    if unclosed.scope == "attribute":
        return f"close `self.{name}` in the method that ends the object, in `finally` behind what may raise"
    if unclosed.scope == "cancel":
        return "catch `BaseException` there, since it is raised again, or clean up in `finally`"
    if unclosed.scope == "temporary":
        return f"`with {name} as it:`, and use it there"
    if unclosed.resource.kind == "figure":
        return f"`plt.close({name})` in `finally`"
    return f"`with ... as {name}:`, or close it in `finally`"
