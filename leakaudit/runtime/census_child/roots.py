"""What keeps objects alive, from the modules down: one walk that answers for any number of objects.

Asking the collector who refers to an object looks at the whole heap for each step of each path; in large heaps that
takes minutes.
"""

from __future__ import annotations

import gc
import sys
from types import CodeType, FrameType, FunctionType, ModuleType

from .frames import holder
from .library import library
from .survey import of_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .clock import Clock

STEPS = 20_000  # objects between two looks at the clock
SHARE = 0.8  # of the time: the walk ends here


class Roots:
    """Which object the walk came from, for each that it reached; breadth first, so paths are the shortest."""

    def __init__(self, clock: Clock, running: Iterable[FrameType] = ()) -> None:
        self.clock, self.running = clock, running
        self.came_from: dict[int, Any] = {}
        self.walked = False

    def chain(self, obj: Any) -> list[Any]:
        """Return the objects from a module or from code with local variables to an object; empty if none leads there."""
        if not self.walked:
            self.walked = True
            self._walk([module for module in list(sys.modules.values()) if is_root(module)])
            self._walk([frame for frame in self.running if of_program(frame.f_globals.get("__name__"))])
            suspended = [item for item in gc.get_objects() if holder(type(item))]
            self._walk([item for item in suspended if id(item) not in self.came_from])
        found: list[Any] = [obj]
        while id(found[-1]) in self.came_from:
            before = self.came_from[id(found[-1])]
            if before is None:
                return found[::-1]
            found.append(before)
        return []

    def _walk(self, roots: list[Any]) -> None:
        came_from, atoms, opaque = self.came_from, library["ATOMS"], (CodeType, FrameType)
        mine = {id(came_from), id(library), id(roots), id(self.__dict__)}
        came_from.update((id(root), None) for root in roots)
        # A module's names come before what they hold: a function leads to the names of its module too.
        todo, done = roots, 0
        while todo:
            level, todo = todo, []
            for obj in level:
                for item in followed(obj):
                    number, kind = id(item), type(item)
                    if (
                        number not in came_from
                        and id(kind) not in atoms
                        and number not in mine
                        and kind not in opaque
                    ):
                        came_from[number] = obj
                        todo.append(item)
                done += 1
                if done % STEPS == 0 and self.clock.spent(SHARE):
                    return


def followed(obj: Any) -> Iterable[Any]:
    """Return what an object refers to; what functions merely use is left out."""
    if type(obj) is FrameType:
        return list(obj.f_locals.values())
    if type(obj) is not FunctionType:
        return library["referents"](obj)  # type: ignore[no-any-return]
    names = id(obj.__globals__)
    return [item for item in gc.get_referents(obj) if id(item) != names]


def is_root(module: Any) -> bool:
    """Tell whether a path may begin at an entry of `sys.modules`."""
    return isinstance(module, ModuleType) and of_program(module.__name__)
