"""The agent: code placed in the target that looks up what the probes name, counts, and writes samples.

One file for CPython 3.8 and later that needs nothing but built-in modules, because processes read it that know
nothing of leakaudit. It looks at foreign objects without running their code: exact types, slots of built-in types,
`gc.get_referents`; never `repr`, `getattr`, `isinstance` or `len` on what it did not make, and never `__dict__` of an
instance, because reading that makes a dict that stays. Between samples it keeps weak references only.
"""

# No pathlib, no contextlib: what is imported here is imported into the target.
# ruff: noqa: PTH123, S102, S307, PERF203
from __future__ import annotations

import _thread
import _weakref
import gc
import posix
import sys
import time
from _collections import _count_elements  # type: ignore[import-not-found]
from itertools import compress, islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

PROTOCOL = 1
TICK_S = 0.1
SLICE_S, NAP_S = 0.001, 0.001  # the agent computes this long, then lets others run
PART = 10_000  # objects handled in C before the clock is read
MAX_HOLDERS = 500  # per probe; where there are more, these stand for all
MAX_NESTED, NESTED_DEPTH = 4096, 3
REF_BYTES = 96  # a weak reference and its place in a list
MAX_TYPES, LEAST_COUNT = 400, 16
WALK_LIMIT, WIDE = 150_000, 32  # objects in all, and children at each end of a large container
SEARCH_MS = 12.0  # of processor time per sample that may go into searching for holders
COLD_NS_PER_BLOCK = 30  # what gc.get_objects costs at most when nothing was measured yet
CHILD_TRIES, CHILD_ALIVE_S = 3, 2.0
STATE = "_state"  # where Starlette keeps what is set on `app.state`
LIMITS = ("maxlen", "maxsize", "_maxsize", "_Cache__maxsize", "max_size", "capacity")
WAIT_ALL = 0x40000000  # __WALL: also for a child that announces its end by no signal

COLLECTED = 1 << 14  # Py_TPFLAGS_HAVE_GC

MISSING: Any = object()


async def _coroutine() -> None:
    """Lend its type."""


_lent = _coroutine()
_lent.close()
Function, Builtin, Module, Coroutine = type(_coroutine), type(len), type(sys), type(_lent)
Member = type(Function.__dict__["__closure__"])
_get_mro, _get_namespace = type.__dict__["__mro__"].__get__, type.__dict__["__dict__"].__get__
_get_module_dict: Any = vars(Module)["__dict__"].__get__
_get_flags = type.__dict__["__flags__"].__get__
_get_itemsize = type.__dict__["__itemsize__"].__get__
_names = (type.__dict__["__module__"].__get__, type.__dict__["__qualname__"].__get__)
ATOMS = frozenset(map(id, (int, str, float, bool, bytes, complex, type(None), Builtin, type(Ellipsis))))
CONTAINERS: dict[int, Any] = {id(kind): kind for kind in (dict, list, set, frozenset, tuple, bytearray)}
SIZED: dict[int, Any] = {**CONTAINERS, **{id(kind): kind for kind in (str, bytes, int, float, object)}}


# --- Looking without touching ---------------------------------------------------------------------------------------


def mro(kind: Any) -> Any:
    """Return a class's bases in order, itself first."""
    return _get_mro(kind) or ()


def lookup(kind: Any, name: str) -> Any:
    """Return what a class or its bases hold under a name, as it lies there, or MISSING."""
    for base in mro(kind):
        namespace = _get_namespace(base)
        if name in namespace:
            return namespace[name]
    return MISSING


def inherits(kind: Any, base: Any) -> bool:
    """Tell whether a class is `base` or derives from it."""
    return any(item is base for item in mro(kind))


def is_class(obj: Any) -> bool:
    """Tell whether an object is a class."""
    return inherits(type(obj), type)


def module_dict(module: Any) -> Any:
    """Return a module's names; empty for the things that are no modules but stand in sys.modules."""
    return _get_module_dict(module) if inherits(type(module), Module) else {}


def genuine(module: str, name: str) -> Any:
    """Return a built-in function even where gevent has put its own in its place."""
    found = vars(sys.modules[module])[name]
    if type(found) is Builtin:
        return found
    return module_dict(sys.modules["gevent.monkey"])["saved"][module][name]


nap: Callable[[float], None] = genuine("time", "sleep")


def attribute(obj: Any, name: str) -> Any:
    """Return `obj.name` if that is plain data; raises LookupError or AttributeError rather than run a property."""
    kind = type(obj)
    if inherits(kind, Module):
        return module_dict(obj)[name]
    if is_class(obj):
        found = lookup(obj, name)
        if found is MISSING:
            raise LookupError(name)
        return found
    found = lookup(kind, name)
    if found is not MISSING and type(found) is Member:
        return found.__get__(obj)
    if found is not MISSING and lookup(type(found), "__get__") is not MISSING:
        raise LookupError("computed: " + name)
    # With a plain name this makes no instance dict, on any version, and finds no user code.
    return object.__getattribute__(obj, name)


def container(kind: Any) -> Any:
    """Return the built-in container type that a class is or derives from, or None."""
    known = CONTAINERS.get(id(kind))
    if known is not None:
        return known
    for base in mro(kind):
        if id(base) in CONTAINERS:
            return base
    return None


def children(obj: Any, base: Any, count: int) -> list[Any]:
    """Return up to `count` values of a container, in one piece: no other thread runs meanwhile."""
    if base is bytearray or (base.__module__ == "array"):
        return []
    try:
        return list(islice(dict.values(obj) if base is dict else base.__iter__(obj), count))
    except RuntimeError:
        return []


def referents(obj: Any) -> Any:
    """Return what an object refers to; of a module only its names.

    Modules written in C may show objects that are freed already, as `_asyncio` does with those it keeps to use again:
    to hold and release one links the list of them into a ring, and whoever follows it never ends.
    """
    return [module_dict(obj)] if type(obj) is Module else gc.get_referents(obj)


def inner(obj: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the containers that an object which is none itself holds directly, each with its built-in type."""
    for item in referents(obj):
        base = container(type(item))
        if base is None or base is tuple:
            continue
        if type(item) is dict and is_namespace(obj, item):
            for value in islice(dict.values(item), WIDE):
                value_base = container(type(value))
                if value_base is not None and value_base is not tuple:
                    yield value, value_base
        else:
            yield item, base


def learn_types() -> None:
    """Add the containers and sized types of C modules that the target has loaded."""
    for module, name in (("_collections", "deque"), ("collections", "deque"), ("array", "array")):
        kind = module_dict(sys.modules[module]).get(name) if module in sys.modules else None
        if kind is not None:
            CONTAINERS[id(kind)] = SIZED[id(kind)] = kind
    if "numpy" in sys.modules:
        kind = module_dict(sys.modules["numpy"]).get("ndarray")
        if kind is not None:
            SIZED[id(kind)] = kind


def is_namespace(obj: Any, names: Any) -> bool:
    """Tell whether a dict is an object's own `__dict__`."""
    for name, value in islice(dict.items(names), 1):
        try:
            return type(name) is str and attribute(obj, name) is value
        except (LookupError, AttributeError):
            return False
    return False


def type_name(kind: Any) -> str:
    """Return `module.qualname` of a class; built-in ones without the module."""
    module, qualname = (get(kind) for get in _names)
    if type(module) is not str or module == "builtins":
        return str(qualname)
    return f"{module}.{qualname}"


def shallow(obj: Any) -> int:
    """Return an object's own bytes, by the built-in part of its type, with the collector's header."""
    kind = type(obj)
    header = 16 if _get_flags(kind) & COLLECTED else 0
    for base in mro(kind):
        if base is object and _get_itemsize(kind):  # it has no count of items where `object` looks for one
            break
        if id(base) in SIZED:
            return int(base.__sizeof__(obj)) + header
    return 48 + header


def estimate(obj: Any, depth: int) -> float:
    """Return the bytes of an object and, sampled, of what it holds to `depth`."""
    kind, total = type(obj), float(shallow(obj))
    if depth == 0 or id(kind) in ATOMS:
        return total
    base = container(kind)
    if base is None:
        if kind is Function:  # what it has captured is its own; what it is called with is not
            held = [item for cell in (obj.__closure__ or ())[:WIDE] for item in gc.get_referents(cell)]
            return total + sum(estimate(item, depth - 1) for item in held)
        if kind is Module or is_class(obj):
            return total
        parts = [item for item in islice(gc.get_referents(obj), WIDE) if not is_class(item)]
        return total + sum(
            estimate(item, depth - 1) for item in parts if type(item) not in (Function, Module)
        )
    sample = children(obj, base, 8)
    if sample:
        different = {id(item): item for item in sample}.values()  # a list may hold one object many times
        mean = sum(estimate(item, depth - 1) for item in different) / len(sample)
        if base is dict:
            mean += sum(shallow(key) for key in islice(dict.__iter__(obj), 8)) / len(sample)
        total += mean * base.__len__(obj)
    return total


# --- What it costs --------------------------------------------------------------------------------------------------


class Ledger:
    """The agent's own footprint, and the clock that cuts its work into slices."""

    def __init__(self, budget_ms: float) -> None:
        self.budget_ms = budget_ms
        self.pause_ms = 0.0
        self.slice_s = min(SLICE_S, budget_ms / 4e3)
        self.begun = time.thread_time()
        self.ns_per_block = float(COLD_NS_PER_BLOCK)

    def step(self) -> None:
        """Let others run if the slice is used up."""
        if time.thread_time() - self.begun > self.slice_s:
            self.rest(NAP_S)

    def rest(self, seconds: float) -> None:
        """End the slice and sleep."""
        self.pause_ms = max(self.pause_ms, (time.thread_time() - self.begun) * 1e3)
        nap(seconds)
        self.begun = time.thread_time()

    def atomic(self, call: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
        """Make one call that cannot be cut, and return its result and its duration in ms."""
        self.rest(NAP_S)
        begun = time.monotonic()
        result = call(*arguments)
        took_ms = (time.monotonic() - begun) * 1e3
        self.pause_ms = max(self.pause_ms, took_ms)
        self.begun = time.thread_time()
        return result, took_ms

    def heap(self) -> tuple[Any, str]:
        """Return all objects that the collector knows, or None and the reason why that would pause too long."""
        blocks = sys.getallocatedblocks()
        expected_ms = blocks * self.ns_per_block / 1e6
        if expected_ms > self.budget_ms:
            return None, f"a list of all objects would pause the target for about {expected_ms:.0f} ms"
        objects, took_ms = self.atomic(gc.get_objects)
        # The first call touches cold memory: what was measured counts from then on.
        self.ns_per_block = max(took_ms * 1e6 / max(blocks, 1), 1.0)
        return objects, ""


def own_bytes(names: Mapping[str, Any], agent: Any) -> int:
    """Return the bytes of the agent's own code and state."""
    foreign = {id(sys), id(sys.modules), id(names), id(posix), id(gc), id(time)}
    todo, seen, total = [*names.values(), agent], set(foreign), 0
    while todo and len(seen) < 20_000:
        obj = todo.pop()
        if id(obj) in seen or type(obj) in (Module, Builtin):
            continue
        seen.add(id(obj))
        if is_class(obj) and obj.__module__ != names["__name__"]:
            continue
        total += sys.getsizeof(obj)
        if type(obj) is not _weakref.ref:
            todo.extend(item for item in gc.get_referents(obj) if item is not names)
    return total


# --- JSON, because a target may not have loaded the module ------------------------------------------------------------


def quote(text: str) -> str:
    """Return a string as JSON, ASCII only."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    units = text.encode("utf-16-be", "surrogatepass")
    codes = (units[i] << 8 | units[i + 1] for i in range(0, len(units), 2))
    return (
        '"' + "".join(chr(c) if 32 <= c < 127 and c not in (34, 92) else f"\\u{c:04x}" for c in codes) + '"'
    )


def encode(value: Any, step: Callable[[], None]) -> str:
    """Return a value that the agent made as JSON."""
    kind = type(value)
    if kind is str:
        return quote(value)
    if value is None or kind is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if kind is int:
        return int.__repr__(value)
    if kind is float:
        return f"{value:.6f}" if abs(value) < 1e15 else "null"
    step()
    if kind is dict:
        pairs = (f"{quote(str(key))}:{encode(item, step)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    return "[" + ",".join([encode(item, step) for item in value]) + "]"


def decode(line: str) -> Any:
    """Return what one line of JSON says; the controller writes it so that it is a Python expression too."""
    return eval(line, {"__builtins__": {}, "null": None, "true": True, "false": False})


# --- From names to objects --------------------------------------------------------------------------------------------


class Probe:
    """What to look up, and weak references to where it was found."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.id: int = fields["id"]
        self.kind: str = fields["kind"]
        self.module: str = fields["module"]
        self.parts: list[str] = stem(fields["path"])
        self.qualname: str = fields["qualname"]
        self.attribute: str = fields["attribute"]
        self.types = frozenset(fields["types"])
        self.refs: list[Any] = []
        self.found = 0  # holders seen by the last search, more than `refs` where there are too many
        self.blind = [0, 0]  # holders that no weak reference can be made to, and their entries
        self.priced = (0, 0.0)  # entries when last priced, bytes per entry
        self.hidden = False

    @property
    def searched(self) -> bool:
        """Whether holders can only be found by looking through the heap."""
        kinds = ("instance-attribute", "closure-cell", "tasks", "type-count")
        return self.hidden or self.kind in kinds or "<locals>" in self.qualname


def stem(path: str) -> list[str]:
    """Return the parts of a source path, the suffix cut off."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if parts and "." in parts[-1]:
        parts[-1] = parts[-1].rpartition(".")[0]
    return parts


def common(one: list[str], other: list[str]) -> int:
    """Return how many parts two paths share at their ends."""
    count = 0
    for left, right in zip(reversed(one), reversed(other)):
        if left != right:
            break
        count += 1
    return count


def origin(names: Any) -> str:
    """Return the file that a module's dict says it came from, or an empty string."""
    file = names.get("__file__")
    if type(file) is not str:
        try:
            file = attribute(names["__spec__"], "origin")
        except (LookupError, AttributeError):
            return ""
    return file if type(file) is str else ""


class Finder:
    """Where things are: modules by file, classes and functions by name, holders by a search of the heap."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.by_stem: dict[str, list[tuple[list[str], str]]] = {}
        self.indexed = 0

    def files(self) -> dict[str, str]:
        """Return module name -> file."""
        found = {}
        for name, module in list(dict.items(sys.modules)):
            if type(name) is str:
                file = origin(module_dict(module))
                if file:
                    found[name] = file
            self.ledger.step()
        return found

    def index(self) -> None:
        """Read the list of modules again if it has changed."""
        if self.indexed == len(sys.modules):
            return
        self.indexed = len(sys.modules)
        self.by_stem = {}
        for name, file in self.files().items():
            parts = stem(file)
            if parts:
                self.by_stem.setdefault(parts[-1], []).append((parts, name))

    def modules(self, probe: Probe) -> list[Any]:
        """Return the dicts of the modules that a probe's source file was loaded as."""
        best = 0
        names: list[str] = []
        for parts, name in self.by_stem.get(probe.parts[-1] if probe.parts else "", ()):
            shared = common(parts, probe.parts)
            if shared < 2 and shared not in (len(parts), len(probe.parts)) and name != probe.module:
                continue
            if shared > best:
                best, names = shared, []
            if shared == best:
                names.append(name)
        if not names and probe.module in sys.modules:
            file = origin(module_dict(sys.modules[probe.module]))
            names = [probe.module] if not file or not probe.parts or common(stem(file), probe.parts) else []
        return [module_dict(sys.modules[name]) for name in names if name in sys.modules]

    def named(self, probe: Probe, qualname: str = "") -> list[Any]:
        """Return the classes or functions that a qualified name means in the probe's modules."""
        found = []
        for names in self.modules(probe):
            try:
                parts = (qualname or probe.qualname).split(".")
                value = names[parts[0]]
                for part in parts[1:]:
                    value = attribute(value, part)
                found.append(value)
            except (LookupError, AttributeError):
                continue
        return found

    def classes(self, probe: Probe) -> list[Any]:
        """Return a probe's class and all that derive from it."""
        todo = [kind for kind in self.named(probe) if is_class(kind)]
        found: list[Any] = []
        while todo:
            kind = todo.pop()
            if not any(kind is known for known in found):
                found.append(kind)
                todo.extend(type.__subclasses__(kind))
        return found


def plain_function(value: Any) -> Any:
    """Return the function or cache inside a static or class method."""
    if type(value) in (staticmethod, classmethod):
        return value.__func__
    return value


def code_fits(probe: Probe, function: Any) -> bool:
    """Tell whether a live function is the one that a probe names, or one defined inside it that has the cell."""
    code = function.__code__
    qualname = getattr(code, "co_qualname", None) or function.__qualname__
    if probe.kind == "closure-cell":
        if probe.attribute not in code.co_freevars:
            return False
        if not (qualname + ".").startswith(probe.qualname + "."):
            return False
    elif qualname != probe.qualname:
        return False
    return same_file(probe, code)


def same_file(probe: Probe, code: Any) -> bool:
    """Tell whether code comes from a probe's source file."""
    parts = stem(code.co_filename)
    shared = common(parts, probe.parts)
    return shared >= 2 or shared in (len(parts), len(probe.parts))


# --- Searching the heap -----------------------------------------------------------------------------------------------


class Search:
    """One pass over live objects: counts them by type and finds the holders that probes ask for."""

    most = MAX_HOLDERS  # weak references per probe

    def __init__(self, finder: Finder, probes: Iterable[Probe]) -> None:
        self.step = finder.ledger.step
        self.counts: dict[int, int] = {}
        self.kinds: dict[int, Any] = {}
        self.wanted: dict[int, list[Probe]] = {}
        self.by_name: dict[str, list[Probe]] = {}
        self.found: dict[int, list[Any]] = {}
        self.totals: dict[int, int] = {}
        self.blind: dict[int, list[int]] = {}
        self.chosen: list[Any] = []
        self.cache = cache_type()
        self.classes: dict[int, set[int]] = {}
        self.coroutines: dict[str, list[Probe]] = {}
        for probe in probes:
            probe.hidden = is_hidden(probe, finder)
            if probe.kind == "instance-attribute":
                for kind in finder.classes(probe):
                    self.wanted.setdefault(id(kind), []).append(probe)
            elif probe.kind == "tasks":
                self.coroutines.setdefault(probe.qualname.rpartition(".")[2], []).append(probe)
            elif probe.kind == "type-count":
                self.classes[probe.id] = set(map(id, own_types(probe, finder)))
            elif probe.searched:
                name = probe.attribute if probe.kind == "closure-cell" else probe.qualname.rpartition(".")[2]
                self.by_name.setdefault(name, []).append(probe)
            self.step()
        self.tasks = {id(kind) for kind in task_types() if kind is not None} if self.coroutines else set()
        self.wanted.update({number: [] for number in self.tasks})
        if self.by_name:
            self.wanted[id(Function)] = []
            self.wanted[id(self.cache)] = []

    def look(self, part: list[Any]) -> None:
        """Count some objects by type and keep those that may be holders; all in C, so that it is soon over."""
        kinds = list(map(type, part))
        ids = list(map(id, kinds))
        self.kinds.update(zip(ids, kinds))
        _count_elements(self.counts, ids)
        self.chosen.extend(compress(part, map(self.wanted.__contains__, ids)))
        self.step()

    def sort_all(self) -> None:
        """Note the chosen objects for the probes that they answer."""
        while self.chosen:
            for obj in self.chosen[-50:]:
                self.sort(obj)
            del self.chosen[-50:]
            self.step()

    def sort(self, obj: Any) -> None:
        """Note an object for the probes that it answers."""
        kind = type(obj)
        if kind is Function:
            self.sort_function(obj, obj)
        elif kind is self.cache:
            function = next((item for item in gc.get_referents(obj) if type(item) is Function), None)
            if function is not None:
                self.sort_function(obj, function)
        elif id(kind) in self.tasks:
            for coroutine in gc.get_referents(obj):
                if type(coroutine) is Coroutine:
                    self.sort_coroutine(coroutine)
        for probe in self.wanted[id(kind)]:
            self.hold(probe, obj)

    def sort_coroutine(self, coroutine: Any) -> None:
        """Count a task's coroutine for the probes that name its function."""
        for probe in self.coroutines.get(coroutine.__name__, ()):
            if probe.qualname in (coroutine.__qualname__, coroutine.__name__) and same_file(
                probe, coroutine.cr_code
            ):
                self.totals[probe.id] = self.totals.get(probe.id, 0) + 1

    def sort_function(self, obj: Any, function: Any) -> None:
        """Note a function, or a cache around it, for the probes that name it or one of its cells."""
        code = function.__code__
        for name in (*code.co_freevars, code.co_name):
            for probe in self.by_name.get(name, ()):
                is_cache = obj is not function
                if is_cache is (probe.kind == "function-cache") and code_fits(probe, function):
                    self.hold(probe, obj)

    def hold(self, probe: Probe, obj: Any) -> None:
        """Keep a weak reference to a holder; one that allows none is measured now."""
        self.totals[probe.id] = self.totals.get(probe.id, 0) + 1
        refs = self.found.setdefault(probe.id, [])
        if len(refs) >= self.most:
            return
        try:
            refs.append(_weakref.ref(obj))
        except TypeError:
            blind = self.blind.setdefault(probe.id, [0, 0])
            for value in instance_value(probe, obj):
                blind[0] += 1
                blind[1] += measure(value)[0]

    def settle(self, probes: Iterable[Probe]) -> None:
        """Hand the probes what was found."""
        self.sort_all()
        for probe in probes:
            if probe.searched:
                probe.refs = self.found.get(probe.id, [])
                probe.found = self.totals.get(probe.id, 0)
                probe.blind = self.blind.get(probe.id, [0, 0])
            if probe.kind == "type-count":
                own = self.classes[probe.id]
                fitting = (
                    n for n, kind in self.kinds.items() if n in own or type_fits(probe, type_name(kind))
                )
                probe.found = sum(self.counts[number] for number in fitting)
            self.step()

    def types(self) -> dict[str, int]:
        """Return the commonest types by name, with their counts."""
        common = [item for item in self.counts.items() if item[1] >= LEAST_COUNT]
        top = sorted(common, key=lambda item: -item[1])[:MAX_TYPES]
        named: dict[str, int] = {}
        for number, count in top:
            name = type_name(self.kinds[number])
            named[name] = named.get(name, 0) + count
        return named


def is_hidden(probe: Probe, finder: Finder) -> bool:
    """Tell whether a function lies under a decorator, so that its name leads elsewhere."""
    if probe.kind not in ("default-argument", "function-attribute", "function-cache"):
        return False
    probe.hidden = False
    return not any(True for _ in values(probe, finder))


def task_types() -> tuple[Any, ...]:
    """Return the task types of asyncio, if it is loaded."""
    names = [module_dict(sys.modules[name]) for name in ("_asyncio", "asyncio.tasks") if name in sys.modules]
    kinds = {id(found.get("Task")): found.get("Task") for found in names}
    return tuple(kinds.values())


def cache_type() -> Any:
    """Return the type of functions under `functools.lru_cache`, None where it is not loaded."""
    return (
        module_dict(sys.modules["_functools"])["_lru_cache_wrapper"] if "_functools" in sys.modules else None
    )


def own_types(probe: Probe, finder: Finder) -> Iterator[Any]:
    """Yield the classes of the probe's own module that it counts; the module may go by another name, as `__main__`."""
    for name in probe.types:
        module, _, qualname = name.rpartition(probe.module + ".")
        if probe.module and not module and qualname:
            yield from filter(is_class, finder.named(probe, qualname))


def type_fits(probe: Probe, name: str) -> bool:
    """Tell whether a type is one that a probe counts; `_asyncio.Task` is what users call `asyncio.Task`."""
    return name in probe.types or name.lstrip("_") in probe.types


def reachable(ledger: Ledger) -> Iterator[list[Any]]:
    """Yield objects in parts, nearest to the modules first: for heaps too large, or too frozen, to be listed."""
    todo: list[Any] = [module_dict(module) for module in list(dict.values(sys.modules))]
    todo += all_tasks()
    seen = set(map(id, todo))
    most = MAX_NESTED  # names of a module
    while todo and len(seen) < WALK_LIMIT:
        level, todo = todo, []
        for obj in level:
            base = container(type(obj))
            found = referents(obj) if base is None else ends(obj, base, most)
            for item in found:
                if id(type(item)) not in ATOMS and id(item) not in seen:
                    seen.add(id(item))
                    todo.append(item)
            ledger.step()
        most = WIDE
        for start in range(0, len(todo), PART):
            yield todo[start : start + PART]


def ends(obj: Any, base: Any, count: int) -> list[Any]:
    """Return the first and the last values of a container: what leaks is at the end, what stays at the start."""
    found = children(obj, base, count)
    if base in (dict, list) and base.__len__(obj) > count:
        backward = reversed(dict.values(obj)) if base is dict else list.__reversed__(obj)
        found += list(islice(backward, count))
    return found


def all_tasks() -> list[Any]:
    """Return asyncio's tasks from the sets that it keeps them in."""
    if "asyncio.tasks" not in sys.modules:
        return []
    names, found = module_dict(sys.modules["asyncio.tasks"]), []
    for name in ("_all_tasks", "_scheduled_tasks"):
        for references, base in inner(names.get(name)):
            found += [ref() for ref in children(references, base, MAX_NESTED) if type(ref) is _weakref.ref]
    return [task for task in found if task is not None]


# --- Measuring --------------------------------------------------------------------------------------------------------


def measure(value: Any) -> tuple[int, int | None, int | None]:
    """Return entries, entries one level down (None where values are no containers), and the limit or None."""
    base = container(type(value))
    if base is not None:
        return base.__len__(value), nested(value, base), bound(value)
    if type(value) is cache_type() and value is not None:
        info = type(value).cache_info(value)
        return info[3], None, info[2]
    parts = list(inner(value)) if id(type(value)) not in ATOMS and not is_class(value) else []
    if not parts:
        return int(value is not None), None, None
    return sum(kind.__len__(part) for part, kind in parts), None, bound(value)


def nested(value: Any, base: Any) -> int | None:
    """Return the entries of the containers inside a container, a few levels down; scaled up where there are very many."""
    if not any(container(type(item)) not in (None, tuple) for item in children(value, base, 4)):
        return None
    total, held = 0, children(value, base, MAX_NESTED)
    whole = max(1.0, base.__len__(value) / max(len(held), 1))
    for _ in range(NESTED_DEPTH):
        inside = [(item, kind) for item in held for kind in [container(type(item))] if kind is not None]
        total += round(whole * sum(kind.__len__(item) for item, kind in inside))
        held = []
        for item, kind in inside:
            if any(container(type(below)) not in (None, tuple) for below in children(item, kind, 4)):
                held += children(item, kind, MAX_NESTED - len(held))
    return total


def bound(value: Any) -> int | None:
    """Return the largest size that a container says it allows itself."""
    kind = type(value)
    if id(kind) in CONTAINERS:
        return value.maxlen if kind.__name__ == "deque" else None
    for name in LIMITS:
        try:
            found = attribute(value, name)
        except (LookupError, AttributeError):
            continue
        if type(found) is int and found > 0:
            return found
    base = container(kind)
    return base.maxlen.__get__(value) if base is not None and base.__name__ == "deque" else None


def mark(value: Any) -> int:
    """Return the identity of the first entry: if it changes while the length stays, old entries are given up."""
    base = container(type(value))
    if base is None or base is bytearray:
        return 0
    try:
        first = next(iter(base.__iter__(value)), None)
    except RuntimeError:
        return 0
    return id(first) & 0xFFFFFFFF


class Tally:
    """Adds up what the holders of one probe hold."""

    def __init__(self, probe: Probe) -> None:
        self.holders = self.entries = self.largest = self.limit = self.mark = 0
        self.nested: int | None = None
        self.old = probe.priced
        self.samples, self.price = 0, 0.0

    def add(self, value: Any) -> None:
        """Count one container."""
        size, below, limit = measure(value)
        self.holders += 1
        self.entries += size
        self.largest = max(self.largest, size)
        self.limit = max(self.limit, limit or 0)
        self.nested = self.nested if below is None else (self.nested or 0) + below
        self.mark = mark(value) if self.holders == 1 else 0
        # A price per entry is good until the number of entries has changed by a quarter.
        if size and self.samples < 4 and abs(self.entries - self.old[0]) >= self.old[0] / 4:
            self.price += estimate(value, 3) / size
            self.samples += 1

    def row(self, probe: Probe) -> list[Any]:
        """Return the figures; where there are more holders than were looked at, these stand for all."""
        if self.samples:
            probe.priced = (self.entries, self.price / self.samples)
        some = probe.searched and self.holders and probe.found > len(probe.refs)
        whole = probe.found / self.holders if some else 1
        entries = round(self.entries * whole) + probe.blind[1]
        return [
            probe.id,
            round(self.holders * whole) + probe.blind[0],
            entries,
            None if self.nested is None else round(self.nested * whole),
            self.largest,
            round(entries * probe.priced[1]),
            self.limit or None,
            self.mark,
        ]


def instance_value(probe: Probe, obj: Any) -> Iterator[Any]:
    """Yield the attribute that a probe asks an instance for, if it has it as plain data."""
    name = probe.attribute
    if name.startswith("__") and not name.endswith("__"):
        name = f"_{probe.qualname.rpartition('.')[2].lstrip('_')}{name}"
    try:
        yield attribute(obj, name)
    except (LookupError, AttributeError):
        return


def cell_value(probe: Probe, function: Any) -> Iterator[Any]:
    """Yield what a function's cell of the probe's name holds."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        if name == probe.attribute:
            try:
                yield cell.cell_contents
            except ValueError:
                return


def default_value(probe: Probe, function: Any) -> Iterator[Any]:
    """Yield the default of the parameter that a probe names."""
    function = plain_function(function)
    if type(function) is not Function:
        return
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    yield from (value for name, value in zip(reversed(names), reversed(defaults)) if name == probe.attribute)
    if function.__kwdefaults__ and probe.attribute in function.__kwdefaults__:
        yield function.__kwdefaults__[probe.attribute]


def cache_value(_probe: Probe, function: Any) -> Iterator[Any]:
    """Yield the cache around a function."""
    function = plain_function(function)
    if type(function) is not Function:  # a cache of the standard library, or an object that keeps one
        yield function


FROM_OBJECT: dict[str, Callable[[Probe, Any], Iterator[Any]]] = {
    "instance-attribute": instance_value,
    "class-attribute": instance_value,
    "function-attribute": instance_value,
    "closure-cell": cell_value,
    "default-argument": default_value,
    "function-cache": cache_value,
}


def values(probe: Probe, finder: Finder) -> Iterator[Any]:
    """Yield what a probe names in the live process, each object once."""
    seen: set[int] = set()
    for value in candidates(probe, finder):
        if id(value) not in seen:
            seen.add(id(value))
            yield value


def candidates(probe: Probe, finder: Finder) -> Iterator[Any]:
    """Yield what a probe names, as often as it is reached."""
    if probe.kind == "module-attribute":
        first, _, rest = ".".join(filter(None, (probe.qualname, probe.attribute))).partition(".")
        for names in finder.modules(probe):
            if first in names:
                yield from follow(names[first], rest)
    elif probe.kind == "loggers":
        yield from follow_module("logging", "Logger.manager.loggerDict")
    elif probe.kind == "logging-handlers":
        yield from logging_handlers()
    elif probe.searched and probe.kind in FROM_OBJECT:
        for ref in probe.refs:
            holder = ref()
            if holder is not None:
                yield from FROM_OBJECT[probe.kind](probe, holder)
    elif probe.kind in FROM_OBJECT:
        for holder in finder.named(probe):
            yield from FROM_OBJECT[probe.kind](probe, holder)


def follow(value: Any, path: str) -> Iterator[Any]:
    """Yield what a dotted path of plain attributes leads to; of a `threading.local`, what it is in every thread."""
    name, _, rest = path.partition(".")
    if not name:
        yield value
        return
    if inherits(type(value), _thread._local):
        for names in thread_names(value):
            if name in names:
                yield from follow(names[name], rest)
        return
    try:
        found = attribute(value, name)
    except (LookupError, AttributeError):
        for names in follow(value, STATE) if name != STATE else ():
            if type(names) is dict and name in names:
                yield from follow(names[name], rest)
        return
    yield from follow(found, rest)


def thread_names(local: Any) -> list[Any]:
    """Return the dicts in which a `threading.local` keeps the names of each thread."""
    tables = [item for item in gc.get_referents(local) if type(item) is dict]
    return [names for table in tables for names in children(table, dict, MAX_NESTED) if type(names) is dict]


def follow_module(module: str, path: str) -> Iterator[Any]:
    """Yield what a dotted path leads to, if the module is loaded."""
    if module in sys.modules:
        first, _, rest = path.partition(".")
        names = module_dict(sys.modules[module])
        if first in names:
            yield from follow(names[first], rest)


def logging_handlers() -> Iterator[Any]:
    """Yield the handler list of every logger."""
    for path in ("root.handlers", "Logger.root.handlers"):
        yield from follow_module("logging", path)
    for loggers in follow_module("logging", "Logger.manager.loggerDict"):
        for logger in children(loggers, dict, MAX_HOLDERS) if container(type(loggers)) is dict else ():
            yield from follow(logger, "handlers")


def threads(probe: Probe) -> int:
    """Return how many live threads run the function, or are of the class, that a probe names."""
    count = 0
    for active in follow_module("threading", "_active"):
        for thread in children(active, dict, MAX_NESTED):
            # A timer keeps what it will call by another name.
            targets = (*follow(thread, "_target"), *follow(thread, "function"))
            functions = [next(follow(target, "__func__"), target) for target in targets]
            fits = any(type(f) is Function and f.__qualname__ == probe.qualname for f in functions)
            count += fits or _names[1](type(thread)) == probe.qualname
    return count


def exit_functions(_probe: Probe) -> int:
    """Return how many functions are to run when the target ends."""
    if "atexit" not in sys.modules:
        return 0
    return int(module_dict(sys.modules["atexit"])["_ncallbacks"]())


def finalizers(probe: Probe) -> int:
    """Return how many finalizers wait to call the function that a probe names, or any if it names none."""
    count = 0
    for registry in follow_module("weakref", "finalize._registry"):
        for info in children(registry, dict, WALK_LIMIT):
            for called in follow(info, "func"):
                function = next(follow(called, "__func__"), called)
                name = function.__qualname__ if type(function) is Function else ""
                count += not probe.attribute or name.endswith(probe.attribute)
    return count


COUNTED: dict[str, Callable[[Probe], int]] = {
    "threads": threads,
    "exit-functions": exit_functions,
    "finalizers": finalizers,
}


def cuda_memory() -> list[int] | None:
    """Return the device bytes that torch has handed out and those that it holds; None where it does not use CUDA."""
    cuda = sys.modules.get("torch.cuda")  # asking a module that nobody has loaded would load it
    try:
        if cuda is None or not cuda.is_initialized():  # asking more than that would start CUDA
            return None
        devices = range(cuda.device_count())
        return [
            sum(int(cuda.memory_allocated(device)) for device in devices),
            sum(int(cuda.memory_reserved(device)) for device in devices),
        ]
    except Exception:  # half imported, or a torch that we do not know
        return None


# --- The agent itself -------------------------------------------------------------------------------------------------


class Agent:
    """Answer the controller's commands until it says stop, is gone, or the time is up."""

    def __init__(self, directory: str, namespace: dict[str, Any]) -> None:
        self.directory = directory
        self.namespace = namespace
        with open(f"{directory}/options.json", encoding="utf-8") as file:
            self.options: dict[str, Any] = decode(file.read())
        self.ledger = Ledger(self.options["pause_budget_ms"])
        self.finder = Finder(self.ledger)
        self.probes: list[Probe] = []
        self.base_bytes = 0
        self.end = time.monotonic() + self.options["deadline_s"]
        self.lease, self.lease_end = 0, 0.0
        self.read = 0
        self.credit_ms, self.searched, self.why_partial = 0.0, False, ""
        self.said: dict[str, str] = {}
        self.child: dict[str, Any] = {}
        self.running: list[Any] = []
        self.cloning: dict[str, Any] | None = None
        self.cloner: Any = None
        self.pid = posix.getpid()
        self.reason = ""

    def run(self) -> None:
        """Serve until the end; leave no child behind."""
        self.write(
            record="hello",
            protocol=PROTOCOL,
            pid=posix.getpid(),
            python=".".join(map(str, sys.version_info[:3])),
            t=time.monotonic(),
            ctypes="_ctypes" in sys.modules,
        )
        try:
            while self.reason == "":
                for command in self.commands():
                    self.obey(command)
                self.watch_child()
                self.ledger.rest(TICK_S)
        finally:
            self.kill_child()
        self.write(record="bye", reason=self.reason, **self.footprint())

    def write(self, **record: Any) -> None:
        """Append one record to the channel; no file stays open."""
        line = (encode(record, self.ledger.step) + "\n").encode("ascii")
        out = posix.open(f"{self.directory}/out.jsonl", posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC)
        try:
            posix.write(out, line)
        finally:
            posix.close(out)

    def commands(self) -> list[dict[str, Any]]:
        """Return the commands that have come in; find out whether to go on."""
        now = time.monotonic()
        if now > self.end:
            self.reason = "deadline"
        try:
            stat = posix.stat(f"{self.directory}/control.jsonl")
        except OSError:
            self.reason = "channel gone"
            return []
        if stat.st_mtime_ns != self.lease:
            self.lease, self.lease_end = stat.st_mtime_ns, now + self.options["lease_s"]
        if now > self.lease_end:
            self.reason = "controller gone"
        if stat.st_size <= self.read:
            return []
        with open(f"{self.directory}/control.jsonl", "rb") as file:
            file.seek(self.read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.read += len(whole)
        return [decode(line) for line in whole.decode("utf-8").splitlines()]

    def obey(self, command: dict[str, Any]) -> None:
        """Do one command; what goes wrong with it is reported, not raised."""
        try:
            if command["do"] == "stop":
                self.reason = "stop"
            elif command["do"] == "modules":
                self.write(record="modules", files=self.finder.files())
            elif command["do"] == "probes":
                self.load_probes()
            elif command["do"] == "sample":
                self.sample(command)
            elif command["do"] == "census":
                self.census(command)
            elif command["do"] == "reclaim":
                reclaim = run_file(f"{self.directory}/reclaim.py")["reclaim"]
                self.write(record="reclaimed", t=time.monotonic(), **reclaim(self))
        except Exception as error:
            if self.pid != posix.getpid():
                raise
            self.complain(command["do"], error)

    def complain(self, command: str, error: BaseException) -> None:
        """Report what went wrong, if there is still a channel."""
        try:
            self.write(record="failed", command=command, error=complaint(error))
        except OSError:
            self.reason = self.reason or "channel gone"

    def load_probes(self) -> None:
        """Read the probes, one line each."""
        with open(f"{self.directory}/probes.jsonl", encoding="utf-8") as file:
            for line in file:
                self.probes.append(Probe(decode(line)))
                self.ledger.step()
        self.base_bytes = own_bytes(self.namespace, self)
        self.write(record="probes", count=len(self.probes))

    # --- Samples ---

    def sample(self, command: dict[str, Any]) -> None:
        """Search if it is time, look up every probe, and write what was counted."""
        self.finder.index()
        learn_types()
        if "list_ms" in command:  # a copy of the target has measured it
            self.ledger.ns_per_block = command["list_ms"] * 1e6 / sys.getallocatedblocks()
        types = None
        # A search that was dear is paid off by the samples after it.
        self.credit_ms = min(self.credit_ms, 0.0) + SEARCH_MS
        if command.get("search") or self.credit_ms > 0:
            began = time.thread_time()
            types = self.search()
            self.credit_ms -= (time.thread_time() - began) * 1e3
        else:
            self.searched = False
        t = time.monotonic()
        rows, unresolved = [], {}
        for probe in self.probes:
            try:
                row = self.row(probe)
                why = self.why(probe) if row is None else ""
            except Exception as error:  # one odd object must not cost the others their sample
                row, why = None, f"looking it up failed with {complaint(error)}"
            if row is None:
                unresolved[str(probe.id)] = why
            else:
                rows.append(row)
            self.ledger.step()
        news = {number: why for number, why in unresolved.items() if self.said.get(number) != why}
        self.said = unresolved
        self.write(
            record="sample",
            t=t,
            last=bool(command.get("last")),
            blocks=sys.getallocatedblocks(),
            threads=max(_thread._count(), 1),
            types=types,
            partial=self.why_partial,
            unresolved=news,
            probes=rows,
            cuda=cuda_memory(),
            **self.footprint(),
        )

    def search(self) -> dict[str, int] | None:
        """Look through the heap for holders and count types; the counts are None if only a part was seen."""
        self.searched = True
        search = Search(self.finder, self.probes)
        objects, self.why_partial = self.ledger.heap()
        if objects is not None:
            known = self.look_at_all(search, objects)
            self.why_partial = "" if known else "the heap is frozen (gc.freeze)"
        if self.why_partial:
            for part in reachable(self.ledger):
                search.look(part)
        own_refs = sum(len(probe.refs) for probe in self.probes)
        search.settle(self.probes)
        if self.why_partial:
            return None
        types = search.types()
        if "weakref.ReferenceType" in types:
            types["weakref.ReferenceType"] -= own_refs
        return types

    def look_at_all(self, search: Search, objects: list[Any]) -> bool:
        """Let a search look at a list of objects, which is emptied, and tell whether something old was among them."""
        old, known = id(sys.modules), False
        while objects:
            part = objects[-PART:]
            del objects[-PART:]
            known = known or old in map(id, part)
            search.look(part)
        return known

    def row(self, probe: Probe) -> list[Any] | None:
        """Return [id, holders, entries, nested, largest, bytes, limit, mark, fresh] of a probe, None if unresolved."""
        fresh = not probe.searched or (self.searched and not self.why_partial)
        if probe.kind in COUNTED or probe.kind in ("tasks", "type-count"):
            count = COUNTED[probe.kind](probe) if probe.kind in COUNTED else probe.found
            return [probe.id, count, count, None, count, 0, None, 0, fresh]
        seen = Tally(probe)
        for value in values(probe, self.finder):
            seen.add(value)
            self.ledger.step()
        if seen.holders + probe.blind[0] == 0:
            return [probe.id, 0, 0, None, 0, 0, None, 0, True] if self.none_alive(probe) else None
        return [*seen.row(probe), fresh]

    def none_alive(self, probe: Probe) -> bool:
        """Tell whether the target knows what a probe names, and a search of the whole heap found no holder of it."""
        if probe.kind not in ("instance-attribute", "closure-cell") or probe.found or self.why_partial:
            return False
        return bool(self.searched and self.finder.named(probe, probe.qualname.partition(".<locals>")[0]))

    def why(self, probe: Probe) -> str:
        """Return why nothing was found for a probe."""
        name = ".".join(filter(None, (probe.qualname, probe.attribute)))
        if probe.kind in ("loggers", "logging-handlers"):
            return "the target has not loaded logging"
        if not self.finder.modules(probe):
            return f"the target has not loaded {probe.module or '/'.join(probe.parts)}"
        if probe.kind != "instance-attribute":
            what = "no live function" if probe.searched else f"nothing in the target's {probe.module}"
            return f"{what} has the name {probe.qualname if probe.searched else name}"
        if not self.finder.classes(probe):
            return f"there is no class {probe.qualname} in the target's {probe.module}"
        return f"no live instance of {probe.qualname} {'has' if probe.found else 'was found, so none has'} {probe.attribute}"

    def footprint(self) -> dict[str, Any]:
        """Return what the agent has cost until now."""
        return {
            "pause_ms": self.ledger.pause_ms,
            "cpu_ms": time.thread_time() * 1e3,
            "bytes": self.base_bytes + REF_BYTES * sum(len(probe.refs) for probe in self.probes),
        }

    # --- Census, in a child ---

    def census(self, command: dict[str, Any]) -> None:
        """Fork a child for the census unless one is running."""
        if self.child:
            raise RuntimeError("a census is running already")
        self.child = {"command": command, "tries": 0, "pid": 0}
        self.finder.index()
        self.fork()

    def fork(self) -> None:
        """Clone the target."""
        self.child["tries"] += 1
        began = time.monotonic()
        try:
            if self.cloning is None:
                self.cloning = run_file(f"{self.directory}/cloner.py")
                self.cloner = self.cloning["Cloner"]()
            # A copy forgets the other threads, and with them what the functions that run there hold. From 3.15 on it
            # frees their stacks, too: who looks at such a frame then crashes.
            mine = _thread.get_ident()
            if sys.version_info < (3, 15):
                self.running = [frame for thread, frame in sys._current_frames().items() if thread != mine]
            pid, took_ms = self.cloner.clone(self)
            if pid == 0:
                self.cloning["be_child"](self, self.cloner, began)
        except BaseException:
            self.child = {}
            raise
        finally:
            self.running = []
        self.child.update(pid=pid, t=began, fork_ms=took_ms, alive=False)

    def watch_child(self) -> None:
        """Reap the child when it has ended; end one that hangs."""
        if not self.child:
            return
        name, now = self.child["command"]["id"], time.monotonic()
        if self.reap(posix.WNOHANG):
            done = exists(f"{self.directory}/census-{name}.json")
            self.write(record="census", id=name, t=self.child["t"], fork_ms=self.child["fork_ms"], done=done)
            self.child = {}
            return
        self.child["alive"] = self.child["alive"] or exists(f"{self.directory}/census-{name}.alive")
        age = now - self.child["t"]
        # The copy of a process with many threads may wait for a lock that nobody holds any more.
        if not self.child["alive"] and age > CHILD_ALIVE_S and not self.computes():
            self.kill_child(keep=True)
            if self.child["tries"] < CHILD_TRIES:
                self.fork()
                return
        elif age <= self.child["command"]["cpu_s"] * 2:
            return
        self.kill_child()
        self.write(record="census", id=name, t=now, fork_ms=0.0, done=False)

    def computes(self) -> bool:
        """Tell whether the child is not waiting for anything but a processor."""
        try:
            with open(f"/proc/{self.child['pid']}/stat", "rb") as file:
                return file.read().rpartition(b") ")[2][:1] == b"R"
        except OSError:  # no /proc in this root
            return False

    def kill_child(self, keep: bool = False) -> None:
        """End the child and reap it."""
        if self.child.get("pid"):
            posix.kill(self.child["pid"], 9)
            self.reap(0)
            self.child["pid"] = 0
        if not keep:
            self.child = {}

    def reap(self, flags: int) -> bool:
        """Return whether the child has ended."""
        try:
            return posix.waitpid(self.child["pid"], flags | WAIT_ALL)[0] != 0
        except OSError:
            return True


def complaint(error: BaseException) -> str:
    """Return the type of an error and, if it is plain text, what it says."""
    first = error.args[0] if error.args else ""
    return f"{type(error).__name__}: {first}" if type(first) is str else type(error).__name__


def run_file(path: str) -> dict[str, Any]:
    """Run a file from the channel and return its names."""
    names: dict[str, Any] = {"__name__": "leakaudit_" + path.rpartition("/")[2][:-3]}
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), "leakaudit agent", "exec"), names)
    return names


def exists(path: str) -> bool:
    """Tell whether there is such a file."""
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def main(directory: str, namespace: dict[str, Any], known: frozenset[str] = frozenset()) -> None:
    """Run the agent in this thread; afterwards only `known` modules are loaded of those that it needed."""
    agent = None
    try:
        agent = Agent(directory, namespace)
        agent.run()
    except BaseException as error:
        if agent is not None and agent.pid == posix.getpid():
            agent.complain("", error)
    finally:
        if agent is not None and agent.pid != posix.getpid():
            posix._exit(1)  # a copy for a census that went astray
        if agent is not None and agent.reason == "controller gone":
            clear(directory)
        forget(known)


def forget(known: frozenset[str]) -> None:
    """Take out of sys.modules what only the agent needed."""
    if known:
        mine = {
            "_imp",
            "_collections",
            "_contextvars",
            "gc",
            "__future__",
            "itertools",
            "_weakref",
            "time",
            "_thread",
            "posix",
        }
        if "ctypes" not in sys.modules:
            mine.add("_ctypes")
        for name in mine - known:
            sys.modules.pop(name, None)


def clear(directory: str) -> None:
    """Remove the channel, because the controller is no longer there to do it."""
    with posix.scandir(directory) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            clear(entry.path)
        else:
            posix.unlink(entry.path)
    posix.rmdir(directory)


def start(directory: str) -> None:
    """Start the agent over a channel in this very process: the cooperative way."""
    _thread.start_new_thread(main, (directory, globals()))
