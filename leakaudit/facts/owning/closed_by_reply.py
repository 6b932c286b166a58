"""Attributes that are opened for one answer and closed only by the callback that brings it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import FileFacts, Function
from leakaudit.facts.owning.ownership import Resource, Unclosed, is_teardown, teardowns
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Related

_OPENS = re.compile(r"^_*(open|connect|create|make|start|new)_\w+$")
_CLOSES = ("close", "aclose", "disconnect", "shutdown", "terminate")


def unclosed(project: Project) -> Iterator[Unclosed]:
    """Yield the attributes that the end of their object leaves open when the answer never comes."""
    for path, facts in project.files.items():
        seen = set()
        for owner, origins, line, func in facts.stored:
            cls, _, attribute = owner.removeprefix("i:").rpartition(".")
            opener = origins.partition("|")[0].removeprefix("call:").rpartition(".")[2]
            if owner in seen or not owner.startswith("i:") or not _OPENS.match(opener):
                continue
            seen.add(owner)
            found = _judge(project, path, facts, Place(path, cls), attribute, line, func)
            if found is not None:
                yield found


def _judge(
    project: Project, path: str, facts: FileFacts, cls: Place, attribute: str, line: int, func: int
) -> Unclosed | None:
    methods = [f for f in facts.functions if f.cls == cls.name]
    closers = [f for f in methods if any(f"i:{cls.name}.{attribute}.{verb}" in f.calls for verb in _CLOSES)]
    maker = project.function(path, func)
    ends = teardowns(project, cls)
    if not closers or maker is None or not all(_is_callback(cls.name, f, methods) for f in closers):
        return None
    busy = next(
        (f for f in (project.function(*at) for at in ends.values()) if f is not None and _ends(f)), None
    )
    if busy is None or any(_mentions(f, cls.name, attribute) for f in methods if is_teardown(f.name)):
        return None
    name = closers[0].name
    why = f"only `{name}` closes it, which runs when the answer comes; `{busy.name}` does not"
    at = Location(path, closers[0].line, closers[0].column)
    lifetime = project.lifetimes.of_class(cls)
    evidence = (
        Evidence("cleanup", "callback", why, 3, at),
        Evidence("lifetime", lifetime.value, lifetime.reason, -3 if lifetime.value == "process" else 0),
    )
    symbol = f"{project.module_name(path)}.{cls.name}.{attribute}"
    return Unclosed(
        path,
        Location(path, line),
        symbol,
        attribute,
        Resource("connection", 2),
        "is closed only when the answer comes",
        evidence,
        (Related(at, "closed only here"),),
        "attribute",
    )


def _is_callback(cls: str, function: Function, methods: list[Function]) -> bool:
    """Whether a method is handed on, and never called by the class itself."""
    own = f"i:{cls}.{function.name}"
    passed = any(own in other.refs for other in methods)
    return passed and not any(own in other.calls for other in methods) and not is_teardown(function.name)


def _ends(function: Function) -> bool:
    return any(is_teardown(name.rpartition(".")[2]) for name in function.calls if "." in name)


def _mentions(function: Function, cls: str, attribute: str) -> bool:
    own = f"i:{cls}.{attribute}"
    return any(
        name == own or name.startswith(f"{own}.") for name in (*function.calls, *function.refs)
    ) or any(name in ("b:vars", "b:getattr") for name in function.calls)
