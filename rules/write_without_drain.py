"""LA504: a stream is written to in a loop that never waits for `drain()`."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.concurrency import writers
from leakaudit.facts.concurrency.writers import Flood
from leakaudit.facts.project import Project
from leakaudit.findings import Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

#: What every transport of asyncio still has to send.
BUFFERS = Probe(
    ProbeKind.INSTANCE_ATTRIBUTE,
    "asyncio.selector_events",
    "",
    "_SelectorTransport",
    "_buffer",
    ("bytearray",),
)


class WriteWithoutDrain(Rule):
    """A coroutine writes to an asyncio stream in a loop, and no turn of the loop waits for `drain()`.

    ## What it does

    Flags `write()` and `writelines()` of an `asyncio.StreamWriter` inside a loop that does not await `drain()` of the same
    writer.

    ## Why it leaks

    `write()` never waits: what the other side does not take is kept in the transport's buffer. A slow or stuck reader
    makes the buffer grow by everything that the loop writes; only `drain()` stops the loop while the buffer is full.

    ## Example

        import asyncio

        async def handle_client(reader, writer):
            while not reader.at_eof():
                line = await reader.readline()
                writer.write(line)

    ## Use instead

        import asyncio

        async def handle_client(reader, writer):
            while not reader.at_eof():
                line = await reader.readline()
                writer.write(line)
                await writer.drain()

    ## What we do not flag

    A write outside a loop; a loop with `await drain()` of the same writer; awaited writes; files and in-memory buffers.

    ## References

    - https://docs.python.org/3/library/asyncio-stream.html#asyncio.StreamWriter.drain
    """

    code = "LA504"
    name = "write-without-drain"
    object_types = ("bytearray", "asyncio.selector_events._SelectorSocketTransport")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the writes that nothing slows down."""
        for flood in writers.floods(project):
            yield self._suspect(project, flood)

    def _suspect(self, project: Project, flood: Flood) -> Suspect:
        call = flood.call
        function = project.function(flood.path, call.func)
        qualname = function.qualname if function is not None else ""
        module = project.module_name(flood.path)
        place = Location(flood.path, call.line, call.column, call.end_line, call.end_column)
        late = flood.drained
        related = (
            (Related(Location(flood.path, late.line, late.column), "waits only here, after the loop"),)
            if late
            else ()
        )
        return Suspect(
            location=place,
            symbol=f"{module}.{qualname}.<locals>.{flood.name}",
            message=f"`{flood.name}.write()` in a loop without `await {flood.name}.drain()`: a slow reader lets its buffer grow",
            evidence=flood.evidence,
            related=related,
            notes=(flood.evidence[1].reason,),
            help=(f"`await {flood.name}.drain()` after the write, inside the loop",),
            probe=BUFFERS,
        )
