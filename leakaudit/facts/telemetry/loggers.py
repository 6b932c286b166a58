"""Handlers and filters that are added to loggers: what is added, to which logger, and whether it is taken off again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.answers import Answer
from leakaudit.facts.growth import population
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Function
from leakaudit.facts.project import Project

#: Guards that let the addition happen once: the logger is asked for its handlers, or a flag remembers.
_ONCE = re.compile(
    r"handlers|filters|hasHandlers|loggerDict|initiali[sz]ed|configured|registered|installed|attached|already|existing|added|set_?up|_done|started|"
    r"enabled|^(not )?(self\.)?_\w+( is None)?$",
    re.IGNORECASE,
)
_REMOVALS = (
    "removeHandler",
    "removeFilter",
    "handlers.clear",
    "handlers.remove",
    "handlers.pop",
    "filters.clear",
    "filters.remove",
)
#: Their receivers are held weakly, so that a lambda passed to them is gone at once.
_WEAK_SINKS = ("connect",)


@dataclass(frozen=True, slots=True)
class Added:
    """An `addHandler` or `addFilter` in a function, the answers about it, and what `captures` adds to the handler."""

    path: str
    call: Call
    function: Function
    name: str
    fresh: bool
    captures: str
    often: Answer
    removal: Answer


def added(project: Project) -> Iterator[Added]:
    """Yield the additions to process-wide loggers that no guard keeps from being repeated."""
    for path, call in project.calls("addHandler", "addFilter", "add"):
        if call.func < 0 or not _is_logger(project, path, call):
            continue
        function = project.function(path, call.func)
        assert function is not None
        if any(_ONCE.search(test) for test in (*call.guards, *function.exits)):
            continue
        first = call.args[0] if call.args else ""
        if first.startswith(("global:", "const:", "function:", "attr:")) and "self" not in first.split("|"):
            continue
        yield Added(
            path,
            call,
            function,
            _name(first),
            first == "self" or any(t.startswith(("new:", "closure:", "lambda")) for t in first.split("|")),
            _captures(first),
            _often(project, path, call, function, first),
            _removal(project, path, call, function, first),
        )


def _is_logger(project: Project, path: str, call: Call) -> bool:
    """A logger that the logging module keeps: not an instance made here, nor a handler that takes a filter."""
    if call.callee.endswith(".add"):
        return call.callee == "x:loguru.logger.add"
    tags = call.receiver
    if any(t.startswith("new:") or (t == "self" and call.receiver[0] == "self") for t in tags):
        return False
    if any(t.startswith(("call:logging.getLogger", "call:getLogger", "attr:logging.root")) for t in tags):
        return True
    receiver = call.callee.rpartition(".")[0]
    stored = {o: t for o, t, _, _ in project.files[path].stored if o == receiver}
    if stored and not any("getLogger" in t or "attr:logging.root" in t for t in stored.values()):
        return False
    return "log" in receiver.rpartition(".")[2].lower() or receiver.startswith("t:logging.Logger")


def _name(first: str) -> str:
    """The variable, attribute or class that is added."""
    tag = first.partition("|")[0]
    kind, _, text = tag.partition(":")
    if kind in ("local", "closure", "new", "call", "bound", "attr"):
        return text.replace(":", ".").rpartition(".")[2]
    if kind == "param":
        return text.partition(":")[0]
    return "self" if tag == "self" else kind or "handler"


def _captures(first: str) -> str:
    """What a handler of one's own class is given of its maker: the instance or a local object."""
    tags = first.split("|")
    if tags[0] == "self":
        return "itself"
    made = next((t for t in tags if t.startswith("new:")), "")
    if not made or made.startswith(
        ("new:logging.", "new:StreamHandler", "new:FileHandler", "new:RotatingFileHandler")
    ):
        return ""
    rest = tags[tags.index(made) + 1 :]
    if any(t == "self" or t.startswith("bound:") for t in rest):
        return "self"
    local = next((t for t in rest if t.startswith("local:")), "")
    return local.partition(":")[2]


def _often(project: Project, path: str, call: Call, function: Function, first: str) -> Answer:
    """How often it happens: once per instance where the handler belongs to the instance, else as the function runs."""
    context = project.contexts.of_function(path, call.func)
    per_instance = first.startswith("bound:") and f"i:{function.cls}." in first
    if function.cls and (
        context.value == "construct"
        or per_instance
        or (function.name == "__init__" and context.value != "import")
    ):
        count = population.of_class(project, Place(path, function.cls))
        return Answer(f"{count.value} instances", count.reason, count.path, count.line)
    if call.receiver[:1] and call.receiver[0].startswith("param:") and "named like" in context.reason:
        return Answer("unknown", "whoever passes the logger decides", path, function.line)
    return context


def _removal(project: Project, path: str, call: Call, function: Function, first: str) -> Answer:
    """Whether it is taken off again: `paired`, `weak` (by a lambda that nothing keeps), `elsewhere` or `none`."""
    facts = project.files[path]
    adding = {c.func for c in facts.calls if c.callee.endswith(("addHandler", "addFilter"))} - {call.func}
    answer = Answer("none", "nothing takes it off again")
    for index, other in enumerate(facts.functions):
        removing = next(
            (name for name in other.calls if name.endswith(_REMOVALS) or name == "x:loguru.logger.remove"), ""
        )
        if not removing:
            continue
        reason = f"`{other.name}` takes handlers off"
        if _inside(project, path, index, call.func):
            if other.name == "<lambda>" and _is_dropped(facts.calls, other, call.func):
                answer = Answer(
                    "weak",
                    "the lambda that would take it off is held weakly and gone at once",
                    path,
                    other.line,
                )
                continue
            return Answer("paired", reason, path, other.line)
        if other.cls and other.cls == function.cls:
            return Answer("paired", reason, path, other.line)
        its_own = any(_inside(project, path, index, func) for func in adding)
        if answer.value == "none" and not its_own:
            answer = Answer("elsewhere", reason, path, other.line)
    attribute = _name(first) if first.startswith(("bound:", "attr:")) else ""
    if answer.value == "none" and attribute:
        for other_path, removal in project.calls("removeHandler", "removeFilter"):
            if removal.args and removal.args[0].partition("|")[0].endswith(f".{attribute}"):
                return Answer(
                    "elsewhere",
                    f"`{removal.callee.rpartition('.')[2]}` takes it off",
                    other_path,
                    removal.line,
                )
    return answer


def _inside(project: Project, path: str, index: int, func: int) -> bool:
    """The function itself, or one that is nested in it."""
    while index >= 0:
        if index == func:
            return True
        function = project.function(path, index)
        index = function.parent if function is not None else -1
    return False


def _is_dropped(calls: tuple[Call, ...], function: Function, func: int) -> bool:
    return any(
        c.func == func
        and c.line <= function.line <= c.end_line
        and c.args[:1] == ("lambda",)
        and c.callee.rpartition(".")[2] in _WEAK_SINKS
        for c in calls
    ) and not any(
        c.func == func and c.line <= function.line <= c.end_line and ("weak", "const:False") in c.keywords
        for c in calls
    )
