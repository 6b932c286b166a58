"""Every container that has a name: what it holds, under the name of its owner and attribute.

The collector's list misses dicts of plain values, so containers are reached through what names them: modules,
classes, functions, instances, suspended coroutines, and containers that have a name themselves.
"""

# ruff: noqa: PERF203, S112
from __future__ import annotations

import gc
from _contextvars import Context, ContextVar
from itertools import compress, islice, repeat
from operator import is_
from types import FrameType, GetSetDescriptorType, MemberDescriptorType, ModuleType

from .frames import SUSPENDED, frame_of, qualname
from .library import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Any

DEPTH = 2  # levels of containers below a named one
LOOKED_AT = 4  # entries at either end that tell whether there are containers among the entries
MOST_KEPT = 2_000  # containers of one name that are kept to be measured
HEAP_TYPE = 1 << 9
UNNAMED = frozenset(
    ("__builtins__", "__annotations__", "__dict__", "__doc__", "__path__", "__match_args__", "__slots__")
)
TOOLS = ("census_child", "objgraph", "pympler", "leakaudit")


class Survey:
    """Adds up the containers by name: name -> [entries, holders, largest, limit or None]."""

    def __init__(self, wanted: Collection[str] = ()) -> None:
        self.rows: dict[str, list[Any]] = {}
        self.kept: dict[str, list[Any]] = {name: [] for name in wanted}
        self.plain: dict[int, bool] = {}
        self.mine = {id(library), id(self.rows), id(self.kept), id(self.plain)}
        self.of_kind = {library["Function"]: function_names, library["Coroutine"]: suspended_names}
        self.cache = library["cache_type"]()
        self.contexts: list[Context] = []

    def take(self, objects: Iterable[Any]) -> None:
        """Look at the owners among some objects."""
        for obj in objects:
            kind = type(obj)
            if self.plain.get(id(kind)):
                continue
            names = self.of_kind.get(kind) or self._reader(obj, kind)
            if names is None:
                continue
            self.note(names(obj), owner_limit(obj) if names is instance_names else None)

    def note(self, named: Iterable[tuple[str, str, Any]], limit: int | None = None) -> None:
        """Add what is a container among (owner, name, value)."""
        for owner, name, value in named:
            if id(type(value)) not in library["ATOMS"] and id(value) not in self.mine:
                self._add(f"{owner}:{name}", value, limit, 0)

    def _reader(self, obj: Any, kind: Any) -> Any:
        """Return what yields an object's named values, None where it has none."""
        if kind is ModuleType or library["inherits"](kind, ModuleType):
            return module_names
        if library["is_class"](obj):
            return class_names
        if id(kind) in SUSPENDED:
            return suspended_names
        owned = bool(kind.__flags__ & HEAP_TYPE) and of_program(kind.__module__)
        self.plain[id(kind)] = not owned
        return instance_names if owned else None

    def _add(self, key: str, value: Any, limit: int | None, depth: int) -> None:
        base = library["container"](type(value))
        if base is None:
            if self.cache is None or type(value) is not self.cache:
                self.note_threads(key, value)
                return
            size, limit = self.cache.cache_info(value)[3], self.cache.cache_info(value)[2]
        elif base is tuple and depth == 0:
            size = tuple.__len__(value)
        else:
            size, limit = base.__len__(value), library["bound"](value) or limit
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = [0, 0, 0, None]
        row[0] += size
        row[1] += 1
        row[2] = max(row[2], size)
        row[3] = max(row[3] or 0, limit) if limit else row[3]
        kept = self.kept.get(key)
        if kept is not None and len(kept) < MOST_KEPT:
            kept.append(value)
        if depth < DEPTH and size and base is not None:
            self._add_inner(key, value, base, depth)

    def note_threads(self, key: str, value: Any) -> None:
        """Add what a `threading.local` has in each thread, or a context variable in each context."""
        if type(value) is ContextVar:
            values = {id(found): found for found in (context.get(value) for context in self.contexts)}
            for found in values.values():
                if type(found) is not ContextVar:
                    self._add(key, found, None, 0)
        elif library["inherits"](type(value), library["_thread"]._local):
            owner, _, name = key.rpartition(":")
            for names in library["thread_names"](value):
                self.note((owner, f"{name}.{inner}", found) for inner, found in list(names.items()))

    def _add_inner(self, key: str, value: Any, base: Any, depth: int) -> None:
        container = library["container"]
        if all(container(type(item)) in (None, tuple) for item in library["ends"](value, base, LOOKED_AT)):
            return
        for item in library["children"](value, base, 1 << 40):
            if container(type(item)) not in (None, tuple):
                self._add(key + "[...]", item, None, depth + 1)


def of_program(module: Any) -> bool:
    """Tell whether a module is one of the target's, not of the tools that look at it."""
    return type(module) is str and module.partition(".")[0] not in TOOLS and module != library["__name__"]


def owner_limit(owner: Any) -> int | None:
    """Return the size that a collection allows the container in which it keeps its entries."""
    if not library["inherits"](type(owner), ModuleType) and is_collection(type(owner)):
        limit: int | None = library["bound"](owner)
        return limit
    return None


def is_collection(kind: Any) -> bool:
    """Tell whether a class is written to hold entries for others: its instances have a length and items."""
    return all(
        library["lookup"](kind, name) is not library["MISSING"] for name in ("__len__", "__contains__")
    )


def module_names(module: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (owner, name, value) of a module's globals."""
    names = library["module_dict"](module)
    owner = names.get("__name__")
    if type(owner) is str and of_program(owner):
        for name, value in list(names.items()):
            if type(name) is str and name not in UNNAMED:
                yield f"{owner}:", name, value


def class_names(kind: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (owner, name, value) of a class's attributes."""
    module, qualname = (get(kind) for get in library["_names"])
    if of_program(module):
        for name, value in list(library["_get_namespace"](kind).items()):
            if type(name) is str and name not in UNNAMED:
                yield f"{module}:{qualname}", name, library["plain_function"](value)


def function_names(function: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (owner, name, value) of a function's closure, defaults and attributes."""
    if function.__globals__ is library or not of_program(function.__module__):
        return
    owner = f"{function.__module__}:{function.__qualname__}"
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield owner, name, cell.cell_contents
        except ValueError:
            continue
    code, defaults = function.__code__, function.__defaults__ or ()
    yield from (
        (owner, n, v) for n, v in zip(reversed(code.co_varnames[: code.co_argcount]), reversed(defaults))
    )
    for names in (function.__kwdefaults__, function.__dict__):
        for name, value in list((names or {}).items()):
            if type(name) is str and name != "__wrapped__":
                yield owner, name, value


def suspended_names(obj: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (owner, name, value) of the local variables of a suspended coroutine or generator."""
    frame = frame_of(obj)
    return iter(()) if frame is None else frame_names(frame, obj.__qualname__)


def frame_names(frame: FrameType, function: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield (owner, name, value) of the local variables of a function that runs or is suspended."""
    if not of_program(frame.f_globals.get("__name__")):
        return
    owner = f"{frame.f_globals['__name__']}:{function or qualname(frame)}"
    for name, value in list(frame.f_locals.items()):
        yield owner, name, value


def instance_names(obj: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (owner, name, value) of an instance's attributes that hold containers."""
    kind = type(obj)
    held = {id(item): item for item in gc.get_referents(obj) if type(item) is not kind and may_hold(item)}
    if not held:
        return
    owner = f"{kind.__module__}:{kind.__qualname__}"
    names = namespace(obj)
    if names is not None:
        for name, value in list(names.items()):
            if type(name) is str and may_hold(value):
                yield owner, name, value
    if len(held) > (names is not None and id(names) in held):
        yield from slot_names(obj, kind, owner, held)


def slot_names(obj: Any, kind: Any, owner: str, held: dict[int, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (owner, name, value) of the slots of an instance, and of the public fields of compiled classes."""
    for base in library["mro"](kind):
        for name, member in list(library["_get_namespace"](base).items()):
            if type(member) in (MemberDescriptorType, GetSetDescriptorType) and name not in UNNAMED:
                try:
                    value = member.__get__(obj)
                except Exception:  # a field that is not set, or compiled code that refuses
                    continue
                if id(value) in held:
                    yield owner, name, value


def namespace(obj: Any) -> Any:
    """Return an instance's `__dict__`, None where it has none; makes the dict, which a copy of the target may."""
    try:
        found = object.__getattribute__(obj, "__dict__")
    except Exception:  # a class that computes it
        return None
    return found if type(found) is dict else None


def may_hold(value: Any) -> bool:
    """Tell whether a value is a container, or a cache around a function."""
    kind = type(value)
    return library["container"](kind) is not None or kind.__name__ in ("_lru_cache_wrapper", "_local")


def survey(
    objects: Iterable[Any], others: Iterable[tuple[str, str, Any]] = (), wanted: Collection[str] = ()
) -> Survey:
    """Look at all objects that the collector knows, at what they name, and at (owner, name, value) of others."""
    done = Survey(wanted)
    objects = list(objects)
    done.contexts = list(islice(compress(objects, map(is_, map(type, objects), repeat(Context))), MOST_KEPT))
    done.take(objects)
    done.note(others)
    return done
