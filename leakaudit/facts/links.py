"""A link by which an object reaches itself, and what makes such a link matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.linked import Place

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


def is_own_method(project: Project, path: str, argument: str) -> bool:
    """Tell whether an argument (its origin tags) is a bound method of an instance: no property, no class method."""
    for tag in argument.split("|"):
        if tag.startswith("bound:i:"):
            cls, _, name = tag[8:].rpartition(".")
            at = project.method(Place(path, cls), name)
            function = project.function(*at) if at is not None else None
            return function is not None and function.kind == ""
    return False
