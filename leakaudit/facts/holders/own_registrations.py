"""Objects that register themselves, and forget to take themselves out in one of the methods that end them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, FileFacts, Function
from leakaudit.facts.project import Project

_ENDS = re.compile(
    r"^_*(async_)?(a?close|a?disconnect|shutdown|stop|forget|unload|destroy|delete|dispose|teardown|cleanup|terminate|cancel|release|detach|revoke|abort)_*$"
)
_PUTS = re.compile(r"^(add|register|subscribe|attach|track|watch|enlist)(_\w+)?$")
_TAKES = {
    "add": ("remove", "discard", "delete"),
    "register": ("unregister", "deregister"),
    "subscribe": ("unsubscribe",),
    "attach": ("detach",),
    "track": ("untrack",),
    "watch": ("unwatch",),
    "enlist": ("delist",),
}


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`call` registers the object itself; `ending` ends it at the same place, but only `removal` takes it out."""

    path: str
    cls: Place
    call: Call
    ending: Function
    removal: Call


def forgotten(project: Project) -> Iterator[Forgotten]:
    """Yield one ending per registration that leaves the object where it registered itself."""
    for path, facts in project.files.items():
        seen: set[str] = set()
        for call in facts.calls:
            if call.callee in seen or not _is_own(call) or not _PUTS.match(call.callee.rpartition(".")[2]):
                continue
            seen.add(call.callee)
            cls = facts.functions[call.func].cls
            found = _judge(path, facts, cls, call) if cls and call.usage == "drop" else None
            if found is not None:
                yield found


def _is_own(call: Call) -> bool:
    """`self.registry.verb(self)`."""
    return call.func >= 0 and call.args[:1] == ("self",) and call.callee.startswith("i:")


def _judge(path: str, facts: FileFacts, cls: str, call: Call) -> Forgotten | None:
    holder, _, verb = call.callee.rpartition(".")
    put = _PUTS.match(verb)
    assert put is not None
    wanted = {f"{holder}.{take}{put[2] or ''}" for take in _TAKES[put[1]]}
    removal = next((c for c in facts.calls if c.callee in wanted and c.args[:1] == ("self",)), None)
    if removal is None or holder.count(".") < 1 or holder.rpartition(".")[0] != f"i:{cls}":
        return None
    methods = {f.name: f for f in facts.functions if f.cls == cls}
    takers = {name for name, f in methods.items() if wanted & set(f.calls)}
    if not takers or any(_ENDS.match(name) for name in takers):
        return None  # one of several endings takes it out: the others may rely on that
    for name, function in methods.items():
        uses = any(c.startswith(f"{holder}.") for c in function.calls)
        if _ENDS.match(name) and uses and not _reaches(methods, cls, name, takers):
            return Forgotten(path, Place(path, cls), call, function, removal)
    return None


def _reaches(methods: dict[str, Function], cls: str, name: str, takers: set[str]) -> bool:
    found, todo = {name}, [name]
    while todo:
        for called in methods[todo.pop()].calls:
            own = called.removeprefix(f"i:{cls}.")
            if own in methods and own not in found:
                found.add(own)
                todo.append(own)
    return bool(found & takers)
