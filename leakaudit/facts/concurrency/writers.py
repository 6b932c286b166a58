"""Writes to an asyncio stream in a loop that never waits for the other side to take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Flag, Function
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location

_OPENERS = ("call:asyncio.open_connection", "call:asyncio.open_unix_connection", "call:open_connection")
_CONTEXT = {"per-event": 1, "likely-event": 1, "import": -8}


@dataclass(frozen=True, slots=True)
class Flood:
    """A write in a loop: where, to what, and what is known about a drain."""

    path: str
    call: Call
    name: str
    drained: Call | None
    evidence: tuple[Evidence, ...]


def floods(project: Project) -> Iterator[Flood]:
    """Yield the first write of every coroutine's loop that no `await drain()` of that loop follows."""
    drains: dict[tuple[str, int], list[Call]] = {}
    for path, call in project.calls("drain"):
        drains.setdefault((path, call.func), []).append(call)
    seen: set[tuple[str, int, str]] = set()
    for path, call in project.calls("write", "writelines"):
        function = project.function(path, call.func)
        holder = call.callee.rpartition(".")[0]
        if function is None or not function.is_async or not call.flags & Flag.LOOP or call.flags & Flag.AWAIT:
            continue
        kind = _kind(project, path, call, function, holder)
        own = [d for d in drains.get((path, call.func), ()) if d.callee.rpartition(".")[0] == holder]
        if kind is None or any(d.flags & Flag.LOOP for d in own) or (path, call.func, holder) in seen:
            continue
        seen.add((path, call.func, holder))
        yield _flood(project, path, call, kind, own)


def _kind(project: Project, path: str, call: Call, function: Function, holder: str) -> Evidence | None:
    """Why the receiver is a StreamWriter, or None."""
    name = holder.replace(":", ".").rpartition(".")[2]
    tags = call.receiver
    if any(tag in _OPENERS for tag in tags) or any(
        "StreamWriter" in tag for tag in tags if tag.startswith("param:")
    ):
        return Evidence("receiver", "StreamWriter", f"`{name}` is a StreamWriter", 3)
    names = [p.name for p in function.params]
    if any(tag == f"param:{name}:" for tag in tags) and "reader" in names and name == "writer":
        return Evidence("receiver", "callback", "called with `reader, writer`, as a server's callback is", 2)
    if holder.startswith("i:"):
        cls, _, attribute = holder[2:].rpartition(".")
        for base in project.mro(Place(path, cls)):
            facts = project.files[base.path]
            owner = f"i:{base.name}.{attribute}"
            if facts.types.get(owner, "").endswith("StreamWriter"):
                return Evidence("receiver", "StreamWriter", f"`{attribute}` is a StreamWriter", 3)
            if any(
                o == owner and any(t in _OPENERS for t in origins.split("|"))
                for o, origins, _, _ in facts.stored
            ):
                return Evidence("receiver", "StreamWriter", f"`{attribute}` comes from `open_connection`", 3)
    return None


def _flood(project: Project, path: str, call: Call, kind: Evidence, own: list[Call]) -> Flood:
    name = call.callee.replace(":", ".").split(".")[-2]
    context = project.contexts.of_function(path, call.func)
    last = own[-1] if own else None
    reason = (
        "`drain()` waits only after the loop"
        if last is not None
        else "nothing in the function waits for `drain()`"
    )
    evidence = [
        kind,
        Evidence(
            "drain",
            "late" if last is not None else "none",
            reason,
            1,
            Location(path, last.line) if last else None,
        ),
        Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0)),
    ]
    if call.flags & Flag.FOREVER:
        evidence.append(
            Evidence("loop", "endless", "the loop goes on as long as there is something to write", 1)
        )
    return Flood(path, call, name, last, tuple(evidence))
