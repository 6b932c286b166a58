"""Resources that no name holds: read, lent or dropped in the very expression that opens them."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.answers import words
from leakaudit.facts.model import Call, FileFacts, Function
from leakaudit.facts.owning.ownership import Resource, Unclosed, made_by
from leakaudit.facts.project import Project
from leakaudit.facts.reading.closers import is_closer
from leakaudit.facts.resources import MAKER_NAMES
from leakaudit.findings import Evidence, Location

_KINDS = frozenset("file archive socket connection session client channel selector".split())
#: First words of the functions that use what they are given up, and do not keep it.
_USERS = frozenset("load dump read parse upload post store send reader import list sorted enumerate".split())
_PARSERS = frozenset("load safe_load load_all full_load dump safe_dump DictReader reader".split())
_MANAGERS = ("contextmanager", "asynccontextmanager")
_CONTEXT = {"per-event": 1, "likely-event": 1, "import": -8}
_ONCE = frozenset("main _main amain cli setup run_app".split())


def unclosed(project: Project) -> Iterator[Unclosed]:
    """Yield, once for each function, what it opens without a name."""
    for path, facts in project.files.items():
        told: set[int] = set()
        for call in facts.calls:
            if call.func >= 0 and call.func not in told and _may_make(_last(call.callee)):
                resource = _resource(project, path, facts, call)
                if resource is not None:
                    told.add(call.func)
                    yield _unclosed(project, path, facts.functions[call.func], call, resource)


def _resource(project: Project, path: str, facts: FileFacts, call: Call) -> Resource | None:
    verb, _, user = call.usage.removeprefix("await:").partition(":")
    if verb == "yield":
        if not any(d.endswith(_MANAGERS) for d in facts.functions[call.func].decorators):
            return None  # else whoever enters it has no way to close it
    elif verb == "arg":
        if not (_uses_up(_last(user)) or _passing(facts, call, user)):
            return None
    elif verb not in ("receiver", "drop", "iter") or _closed_at_once(facts, call):
        return None
    known = made_by(project, path, call.func, call.callee)
    if known is None and verb == "yield" and _last(call.callee).endswith("_open"):
        return Resource("file", 1)
    if known is None and call.callee.endswith(".open") and _last(user) in _PARSERS:
        return Resource("file", 1)  # `json.load(path.open())`: what is read so is a file
    return known if known is not None and known.kind in _KINDS else None


def _may_make(name: str) -> bool:
    return name in MAKER_NAMES or name.endswith("_open")


def _uses_up(name: str) -> bool:
    verb = name[:1].islower() and not _USERS.isdisjoint(words(name)[:1])
    return verb or name in _PARSERS or name.endswith(("stub", "Stub"))


def _passing(facts: FileFacts, call: Call, user: str) -> bool:
    """Whether it is wrapped in an object that nothing keeps either: `Reader(open(path)).rows()`."""
    return any(
        outer.usage == "receiver" and _last(outer.callee) == _last(user)
        for outer in facts.calls
        if outer.func == call.func and outer.line <= call.line and call.end_line <= outer.end_line
    )


def _closed_at_once(facts: FileFacts, call: Call) -> bool:
    """`open(path, "w").close()`"""
    start = (call.func, call.line, call.column)
    return any(
        is_closer(_last(outer.callee)) and (outer.func, outer.line, outer.column) == start
        for outer in facts.calls
    )


def _unclosed(project: Project, path: str, function: Function, call: Call, resource: Resource) -> Unclosed:
    place = Location(path, call.line, call.column, call.end_line, call.end_column)
    name = f"{_last(call.callee)}(...)"
    why = "has no name, so only the collector can close it"
    context = project.contexts.of_function(path, call.func)
    evidence = (
        Evidence("path", "temporary", f"what `{name}` opens {why}", 3, place),
        Evidence("resource", resource.kind, f"`{name}` opens a {resource.kind}", resource.harm - 1),
        Evidence("context", "start-up", f"`{function.name}` runs once", _CONTEXT["import"])
        if function.name in _ONCE
        else Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0)),
    )
    symbol = f"{project.module_name(path)}.{function.qualname}"
    return Unclosed(path, place, symbol, name, resource, why, evidence, (), "temporary")


def _last(name: str) -> str:
    return name.replace(":", ".").rpartition(".")[2]
