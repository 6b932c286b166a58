"""The census: run in a forked copy of the target, where walking the whole heap disturbs nobody.

The agent runs this file in the child, where `library` are the agent's own functions. objgraph and pympler lie in the
channel's folder `lib`. What is written is one JSON file; the child then ends.
"""

# ruff: noqa: PTH104, PTH108, PTH123
from __future__ import annotations

import gc
import os
import sys
import time
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from leakaudit.runtime.agent import Agent

library: dict[str, Any] = {}

HOLDERS = 50_000  # of one probe
REACH_LIMIT = 400_000  # objects looked at for one container
ANONYMOUS = 32  # entries from which a container without a name is worth remembering
GREW_BY = 0.05
TOLD = 6  # of each kind of unexplained growth
SIZE_SHARE, PATH_SHARE = 0.6, 0.9  # of the time: sizes end here, paths end there
OPAQUE = (ModuleType, CodeType, FrameType, type)


def take(agent: Agent, forked: float) -> None:
    """Count, measure, search, and write it all down."""
    command: dict[str, Any] = agent.child["command"]
    library.update(agent.namespace)
    prepare(agent)
    if command["light"]:
        take_counts(agent, forked)
        return
    figures = allocator(agent.directory)
    own = library["own_bytes"](library, agent)
    gc.unfreeze()
    begun = time.monotonic()
    objects = gc.get_objects()
    list_ms = (time.monotonic() - begun) * 1e3
    clock = Clock(command["cpu_s"])
    objgraph, asizeof = bring("objgraph"), bring("pympler.asizeof")
    types = objgraph.typestats(objects, shortnames=False)
    ours = long_name(library["_weakref"].ref)
    types[ours] = types.get(ours, 0) - sum(len(probe.refs) for probe in agent.probes)
    find_holders(agent, objects)
    result: dict[str, Any] = {
        "record": "census-result",
        "id": command["id"],
        "t": forked,
        "counts": counts(agent),
        "objects": len(objects),
        "list_ms": list_ms,
        "live": figures,
        "own": own,
        "types": types,
        "lengths": lengths(objects),
    }
    del objects
    named = {probe.id: list(library["values"](probe, agent.finder)) for probe in agent.probes}
    named = {number: found for number, found in named.items() if any(map(is_container, found))}
    borrow(named)
    sizes = measure(named, command["grew"], clock)
    result["containers"] = {str(number): size for number, size in sizes.items()}
    if "before" in command:
        before = load(f"{agent.directory}/{command['before']}")
        growing = [number for number in command["grew"] if number in named]
        Growth(named, sizes, before, growing, Paths(objgraph, clock)).tell(result)
    for number, size in sizes.items():
        size["deep"] = deep(named[number], size, asizeof, clock)
    result["cpu_s"] = time.process_time() - clock.begun
    save(f"{agent.directory}/census-{command['id']}.json", result)


def take_counts(agent: Agent, forked: float) -> None:
    """Only find all holders, and count."""
    gc.unfreeze()
    find_holders(agent, gc.get_objects())
    name = agent.child["command"]["id"]
    result = {"record": "count", "id": name, "t": forked, "counts": counts(agent)}
    save(f"{agent.directory}/census-{name}.json", result)


def counts(agent: Agent) -> dict[str, list[int]]:
    """Return probe -> holders and entries, of the probes whose holders only a search of the heap can find."""
    found: dict[str, list[int]] = {}
    for probe in agent.probes:
        if probe.kind in ("tasks", "type-count"):
            found[str(probe.id)] = [probe.found, probe.found]
        elif probe.searched:
            seeds = list(library["values"](probe, agent.finder))
            whole = max(len(seeds), probe.found)
            found[str(probe.id)] = [whole, round(entries(seeds) * whole / max(len(seeds), 1))]
    return found


class Clock:
    """The processor time that is left, of `limit_s` seconds."""

    def __init__(self, limit_s: float) -> None:
        self.begun, self.limit_s = time.process_time(), limit_s

    def spent(self, share: float) -> bool:
        """Tell whether a share of the time is used up."""
        return time.process_time() - self.begun > share * self.limit_s


# --- Setting up -------------------------------------------------------------------------------------------------------


class Blocker:
    """Refuse modules that pympler would like to import and that cost seconds or map libraries."""

    def find_spec(self, name: str, *_: object) -> None:
        """Raise ImportError for the refused ones; no opinion on others."""
        if name.partition(".")[0] in ("numpy", "_testcapi", "tkinter", "graphviz"):
            raise ImportError(name)


def prepare(agent: Agent) -> None:
    """Make this copy of the target modest and harmless."""
    agent.ledger.slice_s = float("inf")
    gc.collect = lambda *_: 0  # objgraph collects; that would run finalizers
    sys.dont_write_bytecode = True
    sys.path.insert(0, agent.directory + "/lib")
    sys.meta_path.insert(0, Blocker())
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        pass  # no /proc in this root


def bring(name: str) -> Any:
    """Import a module that the target may know in another version."""
    top = name.partition(".")[0]
    for known in [known for known in sys.modules if known.partition(".")[0] == top]:
        del sys.modules[known]
    __import__(name)
    return sys.modules[name]


def allocator(directory: str) -> dict[str, int]:
    """Return the bytes that the allocators have handed out, and those that they keep free."""
    figures = pymalloc(f"{directory}/allocator")
    found = malloc()
    return {
        "pymalloc": figures.get("bytes in allocated blocks", 0),
        "pymalloc_free": figures.get("bytes in available blocks", 0) + figures.get("unused", 0),
        "malloc": -1 if found is None else found[0] + found[2],
        "malloc_free": -1 if found is None else found[1],
    }


def pymalloc(path: str) -> dict[str, int]:
    """Return the figures that CPython prints on standard error, which in the child leads nowhere."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 2)
    sys._debugmallocstats()
    with os.fdopen(descriptor, "r", encoding="ascii", errors="replace") as file:
        file.seek(0)
        lines = [line.partition("=") for line in file]
    os.unlink(path)
    figures = {}
    for name, _, value in lines:
        digits = value.strip().replace(",", "")
        if digits.isdigit():
            figures["unused" if "unused pools" in name else name.strip("# ")] = int(digits)
    return figures


def malloc() -> tuple[int, int, int] | None:
    """Return the bytes in use, free but kept, and mapped by the C library's allocator, None where it cannot tell."""
    import ctypes

    fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    figures = type("Figures", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in fields]})
    try:
        call = ctypes.PyDLL(None).mallinfo2
    except AttributeError:
        return None
    call.restype = figures
    found = call()
    return found.uordblks, found.fordblks, found.hblkhd


def find_holders(agent: Agent, objects: list[Any]) -> None:
    """Let the agent's probes find every holder, since the whole heap is at hand."""
    library["Search"].most = HOLDERS
    library["learn_types"]()
    search = library["Search"](agent.finder, agent.probes)
    search.look(objects)
    search.settle(agent.probes)
    agent.searched = True


# --- Sizes ------------------------------------------------------------------------------------------------------------


def is_container(obj: Any) -> bool:
    """Tell whether an object holds entries, itself or directly inside."""
    return library["measure"](obj)[0] > 0 or library["container"](type(obj)) is not None


def lengths(objects: list[Any]) -> dict[str, list[Any]]:
    """Return address -> [type, length] of the containers large enough to be worth a comparison."""
    found = {}
    for obj in objects:
        base = library["CONTAINERS"].get(id(type(obj)))
        if base is not None and base is not tuple:
            length = base.__len__(obj)
            if length >= ANONYMOUS:
                found[str(id(obj))] = [base.__name__, length]
    return found


def referents(obj: Any) -> list[Any]:
    """Return what an object keeps alive; what its code merely uses is left out."""
    if type(obj) is FunctionType:
        shared = (id(obj.__globals__), id(obj.__builtins__) if hasattr(obj, "__builtins__") else 0)
        return [item for item in gc.get_referents(obj) if id(item) not in shared]
    return gc.get_referents(obj)


class Retained:
    """What would go if some containers went: all that is reachable from them and from nowhere else.

    As the cyclic collector does it: an object whose references all come from inside the set belongs to it; one with a
    reference from elsewhere does not, nor does anything that such an object reaches.
    """

    def __init__(self, seeds: list[Any]) -> None:
        self.complete = True
        self.inside: dict[int, Any] = {id(seed): seed for seed in seeds}
        self.seeds = frozenset(self.inside)
        counted: dict[int, int] = {}
        self._reach(list(seeds), counted)
        self._drop(self._held_elsewhere(counted))

    def _reach(self, todo: list[Any], counted: dict[int, int]) -> None:
        inside = self.inside
        while todo:
            obj = todo.pop()
            for item in referents(obj):
                number = id(item)
                counted[number] = counted.get(number, 0) + 1
                if number not in inside and not is_program(item):
                    inside[number] = item
                    todo.append(item)
            if len(inside) > REACH_LIMIT:
                self.complete = False
                return

    def _held_elsewhere(self, counted: dict[int, int]) -> list[Any]:
        extra = own_references()
        counted_elsewhere = (
            number
            for number in self.inside
            if sys.getrefcount(self.inside[number]) - extra - BORROWED.get(number, 0) > counted.get(number, 0)
        )
        return [number for number in counted_elsewhere if number not in self.seeds]

    def _drop(self, numbers: list[int]) -> None:
        todo = [self.inside.pop(number) for number in numbers]
        while todo:
            reached = {id(item) for item in referents(todo.pop())} - self.seeds
            todo += [self.inside.pop(number) for number in reached if number in self.inside]

    def size(self, without: frozenset[int] = frozenset()) -> int:
        """Return the bytes of it all, or of it without some objects."""
        return sum(flat(obj) for number, obj in self.inside.items() if number not in without)

    def types(self) -> dict[str, int]:
        """Return how many objects of each collected type are in it."""
        counts: dict[str, int] = {}
        for obj in self.inside.values():
            if gc.is_tracked(obj):
                name = long_name(type(obj))
                counts[name] = counts.get(name, 0) + 1
        return counts


BORROWED: dict[int, int] = {}


def borrow(named: dict[int, list[Any]]) -> None:
    """Remember which objects the census itself holds, and how often."""
    for seeds in named.values():
        for seed in seeds:
            BORROWED[id(seed)] = BORROWED.get(id(seed), 0) + 1


def is_program(obj: Any) -> bool:
    """Tell whether an object belongs to the program rather than to its data."""
    return any(base in OPAQUE for base in type(obj).__mro__)


def own_references() -> int:
    """Return what `sys.getrefcount(d[k])` says of an object that only the dict holds."""
    held = {0: object()}
    return sys.getrefcount(held[0])


def flat(obj: Any) -> int:
    """Return an object's own bytes as the allocator sees them."""
    size = int(library["shallow"](obj))
    if type(obj).__flags__ & 1 << 9 and library["container"](type(obj)) is None:
        size += 8 * len(gc.get_referents(obj))  # the attributes of an instance
    return (size + 15) & ~15


def long_name(kind: Any) -> str:
    """Return the name that objgraph gives a type."""
    return (
        f"{kind.__module__}.{kind.__qualname__}" if type(kind.__module__) is str else str(kind.__qualname__)
    )


def measure(named: dict[int, list[Any]], first: list[int], clock: Clock) -> dict[int, dict[str, Any]]:
    """Return probe -> entries, retained bytes, their types, and the probes whose containers are inside."""
    order = sorted(named, key=lambda number: (number not in first, -entries(named[number])))
    owners = {id(seed): number for number, seeds in named.items() for seed in seeds}
    sizes: dict[int, dict[str, Any]] = {}
    same: dict[frozenset[int], dict[str, Any]] = {}
    for number in order:
        seeds = frozenset(map(id, named[number]))
        if seeds in same:  # two rules may suspect one container
            sizes[number] = same[seeds]
            continue
        size: dict[str, Any] = {"holders": len(named[number]), "entries": entries(named[number])}
        sizes[number] = same[seeds] = size
        if clock.spent(SIZE_SHARE):
            continue
        retained = Retained(named[number])
        if retained.complete:
            size["retained"] = retained.size()
            size["types"] = retained.types()
            size["holds"] = sorted({owners[i] for i in retained.inside if i in owners and i not in seeds})
            size["reach"] = len(retained.inside)
        del retained  # or the next one would find its objects held by this one
    return sizes


def entries(seeds: Iterable[Any]) -> int:
    """Return the entries of some containers together."""
    return sum(library["measure"](seed)[0] for seed in seeds)


def deep(seeds: list[Any], size: dict[str, Any], asizeof: Any, clock: Clock) -> int | None:
    """Return pympler's deep size, None where there is no time or too much of it."""
    if clock.spent(PATH_SHARE) or size.get("reach", REACH_LIMIT) > REACH_LIMIT // 8:
        return None
    return int(asizeof.asizeof(*seeds))


# --- What no finding explains -----------------------------------------------------------------------------------------


class Growth:
    """What happened since the census before: paths to the growing containers, and growth that has no name."""

    def __init__(
        self,
        named: dict[int, list[Any]],
        sizes: dict[int, dict[str, Any]],
        before: dict[str, Any],
        growing: list[int],
        paths: Paths,
    ) -> None:
        self.named, self.sizes, self.before, self.growing, self.paths = named, sizes, before, growing, paths

    def tell(self, result: dict[str, Any]) -> None:
        """Add it to the census."""
        for number in self.growing[: 4 * TOLD]:
            biggest = max(self.named[number], key=lambda seed: library["measure"](seed)[0])
            self.sizes[number]["path"] = self.paths.to(biggest)
        together = Retained([seed for number in self.growing for seed in self.named[number]])
        result["named_bytes"] = together.size() if self.growing and together.complete else None
        gained = self.gained_in_named(together.types())
        explained = frozenset(together.inside)
        del together
        grown = anonymous(self.before["lengths"], explained)
        told = [describe(obj, was, explained, self.paths) for obj, was in grown[: 2 * TOLD]]
        del grown
        for item in told:
            add_counts(gained, item["types"])
        result["unexplained"] = topmost(told)[:TOLD]
        rest = sorted(self.unexplained_types(result["types"], gained), reverse=True)[:TOLD]
        result["unexplained_types"] = [
            example(name, gain, count, explained, self.paths) for gain, name, count in rest
        ]

    def gained_in_named(self, types: dict[str, int]) -> dict[str, int]:
        """Return how many objects of each type the growing named containers gained."""
        gained = dict(types)
        held = {inner for number in self.growing for inner in self.sizes[number].get("holds", ())}
        for number in self.growing:
            if number not in held:
                was = self.before["containers"].get(str(number), {}).get("types", {})
                add_counts(gained, {name: -count for name, count in was.items()})
        return gained

    def unexplained_types(
        self, types: dict[str, int], gained: dict[str, int]
    ) -> Iterable[tuple[int, str, int]]:
        """Yield gain, name and count of the types that gained more objects than all containers told of."""
        for name, count in types.items():
            gain = count - self.before["types"].get(name, 0) - gained.get(name, 0)
            if gain >= max(50, 0.02 * count) and name not in ("builtins.frame", "builtins.traceback"):
                yield gain, name, count


def add_counts(sums: dict[str, int], counts: dict[str, int]) -> None:
    """Add counts by name to others."""
    for name, count in counts.items():
        sums[name] = sums.get(name, 0) + count


def anonymous(before: dict[str, list[Any]], explained: frozenset[int]) -> list[tuple[Any, int]]:
    """Return the containers that gained entries and lie in no growing named one, with their former length."""
    grown = []
    for obj in gc.get_objects():
        was = before.get(str(id(obj)))
        base = library["CONTAINERS"].get(id(type(obj)))
        if was is None or base is None or was[0] != base.__name__ or id(obj) in explained:
            continue
        gain = base.__len__(obj) - was[1]
        if gain >= max(8, GREW_BY * was[1]):
            grown.append((obj, was[1]))
    grown.sort(key=lambda item: item[1] - library["measure"](item[0])[0])
    return grown


def describe(obj: Any, was: int, explained: frozenset[int], paths: Paths) -> dict[str, Any]:
    """Return what is known of a container that grew without a name."""
    retained = Retained([obj])
    length = library["measure"](obj)[0]
    share = (length - was) / max(length, 1)
    told = {
        "type": type(obj).__qualname__,
        "count": [was, length],
        "bytes": round((retained.size(explained) if retained.complete else flat(obj)) * share),
        "types": {name: round(count * share) for name, count in retained.types().items()},
        "inside": [number for number in retained.inside if number != id(obj)],
        "id": id(obj),
    }
    del retained  # or the path would lead to it
    told["path"] = paths.to(obj)
    return told


def topmost(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out containers that another one holds; largest growth first."""
    held = {number for item in told for number in item["inside"]}
    kept = [item for item in told if item["id"] not in held]
    for item in told:
        del item["inside"]
    return sorted(kept, key=lambda item: -item["bytes"])


def example(name: str, gain: int, count: int, explained: frozenset[int], paths: Paths) -> dict[str, Any]:
    """Return a growing type with the retaining path of one of its youngest unexplained objects."""
    told: dict[str, Any] = {"type": name, "count": [count - gain, count], "bytes": None, "path": []}
    objects = reversed(gc.get_objects())
    obj = next(
        (item for item in objects if id(item) not in explained and long_name(type(item)) == name), None
    )
    del objects
    if obj is not None:
        retained = Retained([obj])
        told["bytes"] = gain * (retained.size() if retained.complete else flat(obj))
        del retained
        told["path"] = paths.to(obj)
    return told


class Paths:
    """Retaining paths, from a module or a running coroutine down to an object."""

    def __init__(self, objgraph: Any, clock: Clock) -> None:
        self.objgraph, self.clock = objgraph, clock
        self.coroutine = library["Coroutine"]

    def to(self, obj: Any) -> list[dict[str, str]]:
        """Return the steps to an object; empty if no path was found in the time that is left."""
        ignore = [id(self.__dict__), id(globals()), id(library), id(BORROWED)]
        try:
            chain = self.objgraph.find_backref_chain(obj, self._is_root, max_depth=14, extra_ignore=ignore)
        except TimeoutError:
            return []
        if not self._is_root(chain[0]):
            return list(
                steps(self.objgraph.find_backref_chain(obj, is_instance, max_depth=3, extra_ignore=ignore))
            )
        return list(steps(chain))

    def _is_root(self, obj: Any) -> bool:
        if self.clock.spent(PATH_SHARE):
            raise TimeoutError
        return self.objgraph.is_proper_module(obj) or type(obj) is self.coroutine


def is_instance(obj: Any) -> bool:
    """Tell whether an object is one of a class that the program defines."""
    return (
        type(type(obj)) is type
        and library["container"](type(obj)) is None
        and bool(type(obj).__flags__ & 1 << 9)
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


def parameter(function: Any, default: Any) -> str:
    """Return the parameter whose default an object is."""
    code = function.__code__
    pairs = zip(reversed(code.co_varnames[: code.co_argcount]), reversed(function.__defaults__))
    return next((str(name) for name, value in pairs if value is default), "(default)")


def root(obj: Any) -> dict[str, str]:
    """Return the first step."""
    if isinstance(obj, ModuleType):
        return {"text": f"module {obj.__name__}", "module": obj.__name__, "owner": "", "name": ""}
    if type(obj) is library["Coroutine"]:
        return {"text": f"coroutine {obj.__qualname__}", "module": "", "owner": obj.__qualname__, "name": ""}
    return {"text": "running code", "module": "", "owner": "", "name": ""}


def step(source: Any, name: str) -> dict[str, str]:
    """Return one step as text and, where it leads through a declared name, whose name that is."""
    if name.startswith(("[", "{", "(")):
        return {"text": f"{type(source).__qualname__}{name}", "module": "", "owner": "", "name": ""}
    if isinstance(source, ModuleType):
        return {"text": f"{source.__name__}.{name}", "module": source.__name__, "owner": "", "name": name}
    owner = source if isinstance(source, type) else type(source)
    if type(source) in (FunctionType, MethodType, library["Coroutine"]):
        return {
            "text": f"{source.__qualname__}: {name}",
            "module": "",
            "owner": source.__qualname__,
            "name": name,
        }
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
    if kind is library["Coroutine"]:
        frame = source.cr_frame
        return name_in(frame.f_locals, target) if frame is not None else "(coroutine)"
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


# --- Files ------------------------------------------------------------------------------------------------------------


def load(path: str) -> dict[str, Any]:
    """Return a census written earlier."""
    import json

    with open(path, encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def save(path: str, result: dict[str, Any]) -> None:
    """Write the census in one go, so that nobody reads half of it."""
    import json

    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(result, file)
    os.rename(f"{path}.part", path)
