"""What the methods that end an object's life let go of."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.facts.linked import Place
from leakaudit.facts.model import Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

ENDS = re.compile(
    r"^_*(a?close|a?disconnect|shutdown|stop|connection_?lost|a?exit|unload|destroy|delete|dispose|teardown|tear_down|cleanup|finish|terminate|"
    r"cancel|release|detach|on_disconnect|stop_\w+|close_\w+)_*$",
    re.IGNORECASE,
)


class Endings:
    """Answers for the classes of one project; keeps what it looked up."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def is_cleared(self, place: Place, attribute: str) -> bool:
        """Tell whether a method other than the constructor sets the attribute to None, deletes or empties it."""
        return any(attribute in self._cleared.get(base, ()) for base in self._project.mro(place))

    def of(self, place: Place) -> list[str]:
        """Return the names of the methods that end the life of an instance."""
        classes = (self._project.class_at(base) for base in self._project.mro(place))
        return [name for cls in classes if cls is not None for name in cls.methods if ENDS.match(name)]

    @cached_property
    def _cleared(self) -> dict[Place, set[str]]:
        found: dict[Place, set[str]] = {}
        for path, facts in self._project.files.items():
            for event in facts.events:
                if (
                    event.owner.startswith("i:")
                    and event.func >= 0
                    and _lets_go(event.op, event.value, event.method)
                ):
                    cls, _, attribute = event.owner[2:].rpartition(".")
                    if facts.functions[event.func].name != "__init__":
                        found.setdefault(Place(path, cls), set()).add(attribute)
        return found


def _lets_go(op: int, value: str, method: str) -> bool:
    return op == Op.CLEAR or (op == Op.REBIND and (value == "None" or method == "del"))
