"""Registrations that a class leaves in place though it undoes their siblings, or though it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.answers import words
from leakaudit.facts.holders.endings import ends, methods_of, reaches
from leakaudit.facts.holders.links import is_own_method
from leakaudit.facts.holders.subscribing import UNDO, undoes
from leakaudit.facts.holders.subscription import last
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, FileFacts, Function

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_PUTS = re.compile(
    r"^_?(async_)?(add|register|subscribe|attach|connect|observe|watch|listen|track|hook|on|bind)(_|$)"
)
#: What a loop calls as long as a descriptor is open, and longer.
_READERS = {"add_reader": "remove_reader", "add_writer": "remove_writer"}


@dataclass(frozen=True, slots=True)
class Unpaired:
    """`call` registers `method` of `cls`; `function` takes out others, or ends the instance, and leaves this: `why`."""

    path: str
    cls: Place
    call: Call
    method: str
    function: Function
    function_path: str
    why: str


def unpaired(project: Project) -> Iterator[Unpaired]:
    """Yield the registrations, one for each method."""
    for path, facts in project.files.items():
        by_class: dict[str, list[tuple[Call, str]]] = {}
        for call in facts.calls:
            cls, method = _own_method(project, path, call)
            if method:
                by_class.setdefault(cls, []).append((call, method))
        for cls, given in by_class.items():
            yield from _siblings(path, facts, Place(path, cls), given)
            yield from _readers(project, path, Place(path, cls), given)


def _own_method(project: Project, path: str, call: Call) -> tuple[str, str]:
    """The class and method that a call in that class is given."""
    for argument in (*call.args, *(value for _, value in call.keywords)):
        tag = argument.partition("|")[0]
        if call.func >= 0 and tag.startswith("bound:i:") and is_own_method(project, path, tag):
            cls, _, method = tag[8:].rpartition(".")
            return cls, method
    return "", ""


def _siblings(path: str, facts: FileFacts, cls: Place, given: list[tuple[Call, str]]) -> Iterator[Unpaired]:
    removals = [(call, method) for call, method in given if {*words(last(call.callee))[:2]} & UNDO]
    removed = {method for _, method in removals}
    put = [(c, m) for c, m in given if _PUTS.match(last(c.callee)) and c.usage == "drop"]
    seen: set[str] = set()
    for call, method in put:
        verb = last(call.callee)
        if method in removed | seen or call.receiver[:1] == ("self",) or _is_made(facts, cls, call):
            continue
        pair = next(
            (
                (removal, sibling)
                for removal, sibling in removals
                if undoes(last(removal.callee), verb)
                and any(m == sibling and _alike(c, call) for c, m in put)
            ),
            None,
        )
        if pair is not None and not _cleared(facts, cls, call, removals):
            seen.add(method)
            function = facts.functions[pair[0].func]
            why = f"`{function.name}` takes `{pair[1]}` out, which is registered likewise, and not this"
            yield Unpaired(path, cls, call, method, function, path, why)


def _alike(one: Call, other: Call) -> bool:
    """Two calls register in the same way; functions of a module are the same only with their module."""
    imported = "x:" in (one.callee[:2], other.callee[:2])
    return one.callee == other.callee if imported else last(one.callee) == last(other.callee)


def _closes(function: Function) -> bool:
    return any(last(name) in ("close", "aclose", "shutdown", "abort") for name in function.calls)


def _is_made(facts: FileFacts, cls: Place, call: Call) -> bool:
    """The instance made what it registers with, so both end together."""
    prefix = f"i:{cls.name}."
    attribute = call.callee.removeprefix(prefix).partition(".")[0] if call.callee.startswith(prefix) else ""
    return any(s[0] == prefix + attribute and s[1].startswith("new:") for s in facts.stored)


def _cleared(facts: FileFacts, cls: Place, call: Call, removals: list[tuple[Call, str]]) -> bool:
    """The class takes everything out of what it is registered with, by other means."""
    known = {removal.callee for removal, _ in removals}
    receiver = call.callee.rpartition(".")[0]
    return any(
        name.rpartition(".")[0] == receiver and name not in known and {*words(last(name))[:1]} & UNDO
        for function in facts.functions
        if function.qualname.startswith(f"{cls.name}.")
        for name in function.calls
    )


def _readers(project: Project, path: str, cls: Place, given: list[tuple[Call, str]]) -> Iterator[Unpaired]:
    """`loop.add_reader(fd, self.m)` in an object whose end removes no reader."""
    seen: set[str] = set()
    for call, method in given:
        verb = last(call.callee)
        if verb not in _READERS or verb in seen:
            continue
        seen.add(verb)
        methods = methods_of(project, cls)
        endings = [f for name, (_, f) in methods.items() if ends(name) and _closes(f)]
        takers = {name for name, (_, f) in methods.items() if any(last(n) == _READERS[verb] for n in f.calls)}
        if endings and not any(reaches(methods, f.name, takers) for f in endings):
            why = f"`{endings[0].name}` ends the instance and calls no `{_READERS[verb]}`"
            yield Unpaired(path, cls, call, method, endings[0], methods[endings[0].name][0], why)
