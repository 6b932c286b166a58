"""Callables that are handed to a registry: who is registered, where it ends up, and whether that is undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.answers import Answer
from leakaudit.facts.custom import Tables
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.model import Call, Function, Op
from leakaudit.facts.project import Project
from leakaudit.facts.tables import REGISTER_NAMES, REGISTER_PREFIXES

_UNDO = re.compile(
    r"(^|_)(remove|un|off|discard|detach|disconnect|dispose|cancel|clear|del|delete|deregister|reset|pop|stop|close)",
    re.IGNORECASE,
)
#: Callees that run the callable at once, or hold it no longer than one operation.
_TRANSIENT = frozenset(
    "map filter sorted min max reduce partial wraps run run_sync to_thread run_in_executor submit create_task gather wait_for wait Thread Timer Process "
    "call_soon call_soon_threadsafe call_later call_at add_done_callback addCallback addErrback addBoth addCallbacks Task ensure_future start_soon then "
    "contextmanager property lru_cache cache retry retry_call apply sub subn groupby takewhile dropwhile starmap defaultdict Depends fixture "
    "add_signal_handler signal maybeDeferred deferToThread run_coroutine_threadsafe callLater succeed validator field_validator urlopen".split()
)


@dataclass(frozen=True, slots=True)
class Registration:
    """A callable handed over: `call` registers nested function or lambda `function` (its index is `index`)."""

    path: str
    line: int
    column: int
    callee: str
    func: int
    function: Function
    index: int
    registry: Subject | None
    undone: Answer


def closures(project: Project) -> Iterator[Registration]:
    """Yield the nested functions and lambdas with captured names that are handed to something that may keep them."""
    for path, facts in project.files.items():
        nested = {f.qualname: i for i, f in enumerate(facts.functions) if f.captures}
        if not nested:
            continue
        for call in facts.calls:
            for position, argument in _arguments(call):
                index = _nested(argument, nested, facts.functions, call)
                if index is not None and registers(call.callee, project.tables):
                    yield _registration(project, path, call, position, index, facts.functions[index])


def registers(callee: str, tables: Tables) -> bool:
    """Tell by its name whether a callee keeps what it is given."""
    said = tables.registers(callee)
    if said is not None:
        return said
    name = callee.replace(":", ".").rpartition(".")[2]
    if name in _TRANSIENT or name.endswith("done_callback") or _UNDO.match(name):
        return False
    return (
        name in REGISTER_NAMES
        or name.startswith(REGISTER_PREFIXES)
        or name.endswith(("_handler", "_callback", "_listener", "_hook", "_observer"))
    )


def _arguments(call: Call) -> Iterator[tuple[int | str, str]]:
    yield from enumerate(call.args)
    yield from call.keywords


def _nested(argument: str, nested: dict[str, int], functions: tuple[Function, ...], call: Call) -> int | None:
    first = argument.partition("|")[0]
    if first.startswith("closure:"):
        return nested.get(first[8:])
    if first == "lambda" or "|lambda" in argument:
        for index, function in enumerate(functions):
            if (
                function.captures
                and function.name == "<lambda>"
                and function.parent == call.func
                and call.line <= function.line <= call.end_line
            ):
                return index
    return None


def _registration(
    project: Project, path: str, call: Call, position: int | str, index: int, function: Function
) -> Registration:
    registry = _registry(project, path, call, position)
    return Registration(
        path,
        call.line,
        call.column,
        call.callee,
        call.func,
        function,
        index,
        registry,
        _undone(project, path, call, function, registry),
    )


def _registry(project: Project, path: str, call: Call, position: int | str) -> Subject | None:
    """The container that the callee puts its argument into, followed through one project function."""
    owner, _, method = call.callee.rpartition(".")
    if method in REGISTER_NAMES:
        for subject in project.subjects.values():
            if subject.owner == owner.removesuffix("[]") and subject.path == path:
                return subject
    target = project.callee(call.callee, path, call.func)
    if target is None:
        return None
    function = project.function(*target)
    assert function is not None
    names = [p.name for p in function.params if not p.name.startswith("*")]
    if function.cls and function.kind != "static":
        names = names[1:]
    name = names[position] if isinstance(position, int) and position < len(names) else position
    for subject in project.subjects.values():
        for seen in subject.events(Op.GROW):
            if (seen.path, seen.event.func) == target and any(
                t.startswith(f"param:{name}:") for t in seen.event.value_origins
            ):
                return subject
    return None


def _undone(project: Project, path: str, call: Call, function: Function, registry: Subject | None) -> Answer:
    """Whether the same callable is taken out again."""
    facts = project.files[path]
    for other in facts.calls:
        name = other.callee.rpartition(".")[2].partition(":")[2] or other.callee.rpartition(".")[2]
        undoes = _UNDO.search(name) or project.tables.undoes(other.callee, call.callee)
        if undoes and any(
            f"closure:{function.qualname}" in a for a in (*other.args, *(v for _, v in other.keywords))
        ):
            return Answer("yes", f"`{name}` takes it out again", path, other.line)
        same_place = other.callee == call.callee and other.func == call.func and other.line > call.line
        if same_place and any(a == "const:None" for a in other.args):
            return Answer("yes", f"`{name}(..., None)` takes it out again", path, other.line)
    if call.usage.startswith(("name:", "store:", "return", "with")):
        return Answer("handle", "the handle that the call returns is kept", path, call.line)
    if registry is not None and project.cleanup(registry).effective:
        return Answer("yes", project.cleanup(registry).reason, registry.path, registry.container.line)
    return Answer("no", "nothing takes it out again", path, call.line)
