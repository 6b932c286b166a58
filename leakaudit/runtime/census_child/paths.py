"""Retaining paths, as steps that name what the program's source names."""

from __future__ import annotations

import gc
from types import FrameType, FunctionType, MethodType, ModuleType

from .clock import PATH_SHARE, Clock
from .frames import frame_of, holder, qualname
from .library import library
from .retained import BORROWED
from .roots import Roots
from .survey import of_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any


class Paths:
    """Retaining paths, from a module or a running coroutine down to an object."""

    def __init__(self, objgraph: Any, clock: Clock, running: Iterable[FrameType] = ()) -> None:
        self.objgraph, self.clock = objgraph, clock
        self.roots = Roots(clock, running)

    def to(self, obj: Any) -> list[dict[str, str]]:
        """Return the steps to an object; empty if no path was found in the time that is left."""
        try:
            chain = self.roots.chain(obj) or self._chain(obj, is_instance, 3)
            return list(shortened(list(steps(chain))))
        except Exception:  # out of time, or an object with odd ideas of attributes
            return []

    def _chain(self, obj: Any, is_end: Callable[[Any], bool], most: int) -> list[Any]:
        ignore = [id(self.__dict__), id(library), id(BORROWED)]

        def reached(candidate: Any) -> bool:
            if self.clock.spent(PATH_SHARE):
                raise TimeoutError
            return is_end(candidate)

        found: list[Any] = self.objgraph.find_backref_chain(obj, reached, max_depth=most, extra_ignore=ignore)
        return found


def is_instance(obj: Any) -> bool:
    """Tell whether an object is one of a class that the program defines."""
    return (
        type(type(obj)) is type
        and library["container"](type(obj)) is None
        and bool(type(obj).__flags__ & 1 << 9)
        and of_program(type(obj).__module__)
    )


def steps(chain: list[Any]) -> Iterable[dict[str, str]]:
    """Yield what leads from each object of a chain to the next; keys and values of the program's data are not told."""
    yield root(chain[0])
    i = 0
    while i < len(chain) - 1:
        source, target, rest = chain[i], chain[i + 1], chain[i + 2 :]
        # What lies between an owner and the named thing (dict of names, closure, cell) is no step of its own.
        if rest and type(target) is dict and names_of(source) is target:
            yield step(source, name_in(target, rest[0]))
            i += 2
        elif rest and type(source) is FunctionType and target is source.__closure__:
            yield step(source, label(source, rest[0]))
            i += 3
        elif rest and type(source) is FunctionType and target is source.__defaults__:
            yield step(source, parameter(source, rest[0]))
            i += 2
        else:
            yield step(source, label(source, target))
            i += 1


def shortened(told: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield the steps of a path, those told once that follow themselves as in a linked list."""
    start = 0
    while start < len(told):
        end = start + 1
        while end < len(told) and told[end]["text"] == told[start]["text"]:
            end += 1
        times = f" ({end - start} times)" if end - start > 1 else ""
        yield {**told[start], "text": told[start]["text"] + times}
        start = end


def parameter(function: Any, default: Any) -> str:
    """Return the parameter whose default an object is."""
    code = function.__code__
    pairs = zip(reversed(code.co_varnames[: code.co_argcount]), reversed(function.__defaults__))
    return next((str(name) for name, value in pairs if value is default), "(default)")


def root(obj: Any) -> dict[str, str]:
    """Return the first step."""
    if isinstance(obj, ModuleType):
        return {"text": f"module {obj.__name__}", "module": obj.__name__, "owner": "", "name": ""}
    if type(obj) is FrameType:
        return {"text": f"running {qualname(obj)}", "module": "", "owner": qualname(obj), "name": ""}
    if holder(type(obj)):
        text = f"{type(obj).__name__} {obj.__qualname__}"
        return {"text": text, "module": "", "owner": obj.__qualname__, "name": ""}
    return {"text": "running code", "module": "", "owner": "", "name": ""}


def step(source: Any, name: str) -> dict[str, str]:
    """Return one step as text and, where it leads through a declared name, whose name that is."""
    if name.startswith(("[", "{", "(")):
        return {"text": f"{type(source).__qualname__}{name}", "module": "", "owner": "", "name": ""}
    if isinstance(source, ModuleType):
        return {"text": f"{source.__name__}.{name}", "module": source.__name__, "owner": "", "name": name}
    owner = source if isinstance(source, type) else type(source)
    if type(source) in (FunctionType, MethodType, FrameType) or holder(type(source)):
        function = qualname(source) if type(source) is FrameType else source.__qualname__
        return {"text": f"{function}: {name}", "module": "", "owner": function, "name": name}
    module = owner.__module__ if type(owner.__module__) is str else ""
    return {
        "text": f"{owner.__qualname__}.{name}",
        "module": module,
        "owner": owner.__qualname__,
        "name": name,
    }


def names_of(obj: Any) -> Any:
    """Return the dict of an object's names, None if it has none."""
    if isinstance(obj, type):
        return next((item for item in gc.get_referents(obj) if type(item) is dict), None)
    return getattr(obj, "__dict__", None)


def name_in(names: Any, value: Any) -> str:
    """Return under which name a dict of names holds a value."""
    return next((str(name) for name, found in names.items() if found is value), "?")


def label(source: Any, target: Any) -> str:
    """Return how an object refers to another."""
    kind = type(source)
    if kind is FunctionType:
        cells = zip(source.__code__.co_freevars, source.__closure__ or ())
        return next((name for name, cell in cells if cell is target), "(function)")
    if kind is FrameType or holder(kind):
        frame = source if kind is FrameType else frame_of(source)
        return name_in(frame.f_locals, target) if frame is not None else f"({kind.__name__})"
    if library["container"](kind) is dict:
        return "[...]"
    if library["container"](kind) is not None:
        return "{...}" if kind in (set, frozenset) else "[...]"
    return (
        name_in(getattr(source, "__dict__", {}), target)
        if hasattr(source, "__dict__")
        else slot(source, target)
    )


def slot(source: Any, target: Any) -> str:
    """Return the slot in which an object without a dict holds another."""
    for base in type(source).__mro__:
        for name, member in vars(base).items():
            if type(member) is library["Member"] and name != "__dict__":
                try:
                    if member.__get__(source) is target:
                        return str(name)
                except AttributeError:
                    continue
    return "(...)"
