"""What an object takes out of its own keeping, or replaces, without ending it as it does elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.closers import is_closer
from leakaudit.facts.model import Event, FileFacts, Flag, Function, Op
from leakaudit.facts.ownership import Resource, Unclosed
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Related

_ENDS = frozenset("close aclose shutdown disconnect terminate".split())
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
    """`self.handle = update(self.handle)`, where something else of the class gives it to `destroy`."""
    for call in facts.calls:
        if call.func < 0 or not is_closer(_last(call.callee)) or not call.args:
            continue
        cls = facts.functions[call.func].cls
        prefix = f"bound:i:{cls}."
        held = call.args[0].partition("|")[0]
        if not cls or not held.startswith(prefix):
            continue
        owner = held.removeprefix("bound:")
        for stored, origins, line, func in facts.stored:
            if (
                stored != owner
                or func in (-1, call.func)
                or not origins.startswith(("local:", "call:", "new:"))
            ):
                continue
            function = facts.functions[func]
            reads = owner in function.refs  # it is asked for the new one, so that there is an old one
            if reads and not any(is_closer(_last(c)) for c in function.calls):
                why = f"is replaced while it is open; elsewhere `{_last(call.callee)}` ends it"
                attribute = owner.rpartition(".")[2]
                yield _unclosed(project, path, cls, attribute, line, why, facts.functions[call.func])


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
