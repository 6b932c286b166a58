"""A link by which an object reaches itself, and what makes such a link matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.answers import words
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Function

if TYPE_CHECKING:
    from leakaudit.facts.project import Project


@dataclass(frozen=True, slots=True)
class Link:
    """One way back: `holder` (a class, or a function for a local) reaches itself through `name`.

    `kind` is container, child, opaque, wrapper, pair, method, context or closure; `cues` are (what, weight) pairs that make it matter.
    """

    path: str
    holder: str
    name: str
    kind: str
    line: int
    column: int
    func: int
    reason: str
    cues: tuple[tuple[str, int], ...] = ()
    back: tuple[str, int] | None = None  # file and line where the other side keeps it


_PER_EVENT_BASES = frozenset(
    "Protocol Request Response BaseHTTPRequestHandler RequestHandler View APIView WebSocketHandler DatagramProtocol".split()
)
_PER_EVENT_NAMES = frozenset("request response protocol connection".split())


def is_per_event(project: Project, place: Place) -> bool:
    """Tell whether a class stands for one request or connection, of which a process sees many."""
    bases = project.base_names(place) - ({"Protocol"} if _is_structural(project, place) else set())
    return bool(
        _PER_EVENT_BASES & bases or _PER_EVENT_NAMES & {*words(place.name)[-1:]}
    ) and project.lifetimes.of_class(place).value in ("short", "likely-short", "keyed", "unseen", "unknown")


def _is_structural(project: Project, place: Place) -> bool:
    """The `Protocol` among its bases is that of `typing`."""
    return any(
        project.files[base.path].imports.get(name.partition(".")[0], "").startswith("typing")
        for base in project.mro(place)
        if (cls := project.class_at(base)) is not None
        for name in cls.bases
        if name.rpartition(".")[2] == "Protocol"
    )


def is_parameter(origin: str, name: str = "") -> bool:
    """Tell whether a stored value (its origin tags) is a parameter itself, this one where a name is given."""
    first, _, rest = origin.partition("|")
    if first.startswith("local:"):  # bound anew somewhere: `future = None` at the end
        bound = first[6:]
        return bound == (name or bound) and rest.startswith(f"param:{bound}:")
    return first.startswith(f"param:{name}:" if name else "param:")


def is_plain(function: Function) -> bool:
    """Tell whether a method binds its instance when it is read: no property, setter, class or static method."""
    return not function.kind and not any(
        d.endswith(("setter", "getter", "deleter", "property", "reify", "lazy")) for d in function.decorators
    )


def is_own_method(project: Project, path: str, argument: str) -> bool:
    """Tell whether an argument (its origin tags) is a bound method of an instance: no property, no class method."""
    for tag in argument.split("|"):
        if tag.startswith("bound:i:"):
            cls, _, name = tag[8:].rpartition(".")
            at = project.method(Place(path, cls), name)
            function = project.function(*at) if at is not None else None
            return function is not None and is_plain(function)
    return False
