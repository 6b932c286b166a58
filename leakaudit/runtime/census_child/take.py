"""Take a census: count, measure, search, and write it all down."""

# ruff: noqa: PTH104, PTH123
from __future__ import annotations

import gc
import os
import sys
import time

from .allocator import allocator, large
from .clock import LARGE_SHARE, Clock
from .frames import stacks
from .library import library
from .named_growth import grown_names
from .nameless import Growth, lengths
from .paths import Paths
from .retained import MOST_PARTS, borrow, deep, long_name, measure
from .survey import survey
from .unlisted import unlisted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from leakaudit.runtime.agent import Agent

HOLDERS = 50_000  # of one probe


def take(agent: Agent, forked: float) -> None:
    """Count, measure, search, and write it all down."""
    command: dict[str, Any] = agent.child["command"]
    library.update(agent.namespace)
    prepare(agent)
    running = stacks(agent.running)
    if command["light"]:
        take_counts(agent, forked, running)
        return
    result: dict[str, Any] = {"record": "census-result", "id": command["id"], "t": forked}
    result["live"] = allocator(agent.directory)
    result["own"] = library["own_bytes"](library, agent)
    clock = Clock(command["cpu_s"])
    # The heap is listed before the census has objects of its own.
    gc.unfreeze()
    begun = time.monotonic()
    objects = gc.get_objects()
    result["list_ms"] = (time.monotonic() - begun) * 1e3
    if "before" in command:
        result["large"] = large(objects, clock, LARGE_SHARE)
    others = unlisted(objects, running)
    objgraph, asizeof = count_heap(agent, objects, result)
    result.update(named_rows(objects, others))
    del objects
    named = {probe.id: list(library["values"](probe, agent.finder)) for probe in agent.probes}
    named = {number: found for number, found in named.items() if any(map(is_container, found))}
    borrow(named)
    sizes, holdings = measure(named, command["most"], clock)
    result["parts"] = holdings.parts[:MOST_PARTS]
    if "before" in command:
        before = load(f"{agent.directory}/{command['before']}")
        growing = [number for number in command["grew"] if number in named]
        grown = grown_names(result["names"], before["names"], command.get("rising"))
        again = survey(gc.get_objects(), others, grown)
        paths = Paths(objgraph, clock, running)
        growth = Growth(named, sizes, before, growing, paths=paths, survey=again)
        explained = growth.explain(holdings, result)
        del holdings  # or the paths would lead to it
        growth.tell(result, explained, command["most"])
    for number, size in sizes.items():
        size["deep"] = deep(named[number], size, asizeof, clock)
    result["containers"] = {str(number): size for number, size in sizes.items()}
    result["cpu_s"] = time.process_time() - clock.begun
    save(f"{agent.directory}/census-{command['id']}.json", result)


def count_heap(agent: Agent, objects: list[Any], result: dict[str, Any]) -> tuple[Any, Any]:
    """Add what a pass over all objects tells; returns objgraph and asizeof, whose own objects are not in it."""
    objgraph, asizeof = bring("objgraph"), bring("pympler.asizeof")
    types = objgraph.typestats(objects, shortnames=False)
    ours = long_name(library["_weakref"].ref)
    types[ours] = types.get(ours, 0) - sum(len(probe.refs) for probe in agent.probes)
    find_holders(agent, objects)
    result.update(objects=len(objects), types=types, counts=counts(agent), lengths=lengths(objects))
    return objgraph, asizeof


def named_rows(objects: list[Any], others: list[tuple[str, str, Any]]) -> dict[str, Any]:
    """Return what the containers that have a name hold, and how long it took to see to it."""
    begun = time.process_time()
    rows = survey(objects, others).rows
    return {"names": rows, "names_s": time.process_time() - begun}


def take_counts(agent: Agent, forked: float, running: list[FrameType]) -> None:
    """Only find all holders, and count."""
    gc.unfreeze()
    objects = gc.get_objects()
    find_holders(agent, objects)
    name = agent.child["command"]["id"]
    result = {"record": "count", "id": name, "t": forked, "counts": counts(agent)}
    result.update(named_rows(objects, unlisted(objects, running)))
    save(f"{agent.directory}/census-{name}.json", result)


def counts(agent: Agent) -> dict[str, list[Any]]:
    """Return probe -> holders, entries, those of the largest, those one level down, of probes that need a search."""
    found: dict[str, list[Any]] = {}
    for probe in agent.probes:
        if probe.kind in ("tasks", "type-count"):
            found[str(probe.id)] = [*[probe.found] * 3, None]
        elif probe.searched:
            seeds = list(library["values"](probe, agent.finder))
            whole = max(len(seeds), probe.found)
            held = [library["measure"](seed) for seed in seeds]
            sizes, inside = [size for size, *_ in held], [n for _, n, _ in held if n is not None]
            scale = whole / max(len(seeds), 1)
            nested = round(sum(inside) * scale) if inside else None
            found[str(probe.id)] = [whole, round(sum(sizes) * scale), max(sizes, default=0), nested]
    return found


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
    sys.meta_path.insert(0, Blocker())
    os.nice(10)  # on a machine that others keep busy, the lowest of all priorities never ends
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


def find_holders(agent: Agent, objects: list[Any]) -> None:
    """Let the agent's probes find every holder, since the whole heap is at hand."""
    library["Search"].most = HOLDERS
    library["learn_types"]()
    search = library["Search"](agent.finder, agent.probes)
    search.look(objects)
    search.settle(agent.probes)
    agent.searched = True


def is_container(obj: Any) -> bool:
    """Tell whether an object holds entries, itself or directly inside."""
    return library["measure"](obj)[0] > 0 or library["container"](type(obj)) is not None


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
