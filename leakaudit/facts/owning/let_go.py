"""What an object takes out of its own keeping, or replaces, without ending it as it does elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.answers import words
from leakaudit.facts.model import Event, FileFacts, Flag, Function, Op
from leakaudit.facts.owning.ownership import Resource, Unclosed
from leakaudit.facts.project import Project
from leakaudit.facts.reading.closers import is_closer
from leakaudit.findings import Evidence, Location, Related

_ENDS = frozenset("close aclose shutdown disconnect terminate".split())
_RENEWS = frozenset(
    "update reload refresh reopen rotate renew replace reset rebuild recreate reconfigure".split()
)
_DESTROYS = frozenset("destroy free close release dispose terminate".split())
_ALL = ("values", "items", "popitem")


def unclosed(project: Project) -> Iterator[Unclosed]:
    """Yield what is let go of while it is open."""
    for path, facts in project.files.items():
        for event in facts.events:
            if event.op == Op.SHRINK and event.method == "del" and event.flags & Flag.EXCEPT:
                yield from _taken_out(project, path, facts, event)
        yield from _replaced(project, path, facts)


def _taken_out(project: Project, path: str, facts: FileFacts, event: Event) -> Iterator[Unclosed]:
    """`except TimeoutError: del self._conns[key]`, where `close` closes every one of them."""
    if not event.owner.startswith("i:") or event.depth or event.func < 0:
        return
    function = facts.functions[event.func]
    cls, _, attribute = event.owner[2:].rpartition(".")
    if any(is_closer(_last(call)) for call in function.calls):
        return
    closer = next(
        (f for f in facts.functions if f.cls == cls and f is not function and _closes_all(f, event.owner)),
        None,
    )
    if closer is not None:
        why = f"is taken out when something fails, and not closed as `{closer.name}` does"
        yield _unclosed(project, path, cls, attribute, event.line, why, closer)


def _closes_all(function: Function, owner: str) -> bool:
    direct = any(call.startswith(f"{owner}[].") and _last(call) in _ENDS for call in function.calls)
    each = any(f"{owner}.{name}" in function.calls for name in _ALL)
    return direct or (each and any(c.startswith("?:") and _last(c) in _ENDS for c in function.calls))


def _replaced(project: Project, path: str, facts: FileFacts) -> Iterator[Unclosed]:
    """`self.handle = updated(self.handle)`, where something else of the class gives it to `destroy`."""
    renewals = [
        (owner, origins, line, facts.functions[func])
        for owner, origins, line, func in facts.stored
        if func >= 0 and owner.startswith("i:") and _RENEWS & {*words(facts.functions[func].name)}
    ]
    for owner, origins, line, function in renewals:
        cls, _, attribute = owner[2:].rpartition(".")
        given = [
            call
            for call in facts.calls
            if call.func >= 0
            and facts.functions[call.func].cls == cls
            and any(arg.startswith(f"bound:{owner}|") for arg in call.args[:1])
        ]
        made_of_it = any(
            f"call:{call.callee.partition(':')[2]}" in origins.split("|") and call.line <= line
            for call in given
        )
        closer = next((call for call in given if _DESTROYS & {*words(_last(call.callee))}), None)
        ended = any(is_closer(_last(name)) for name in function.calls)
        if made_of_it and closer is not None and not ended:
            why = f"is replaced while it is open; elsewhere `{_last(closer.callee)}` ends it"
            yield _unclosed(project, path, cls, attribute, line, why, facts.functions[closer.func])


def _unclosed(
    project: Project, path: str, cls: str, attribute: str, line: int, why: str, closer: Function
) -> Unclosed:
    at = Location(path, closer.line, closer.column)
    evidence = (Evidence("path", "let-go", f"what `{attribute}` holds {why}", 4, Location(path, line)),)
    symbol = f"{project.module_name(path)}.{cls}.{attribute}"
    related = (Related(at, f"`{closer.name}` ends it"),)
    resource = Resource("resource", 2)
    return Unclosed(
        path, Location(path, line), symbol, attribute, resource, why, evidence, related, "attribute"
    )


def _last(name: str) -> str:
    return name.replace(":", ".").rpartition(".")[2]
