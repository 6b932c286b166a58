"""The controller's side of the census: may the target be copied, what the copy needs, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any

import psutil

from leakaudit.process import cgroup

LIMIT_S = 60.0
BYTES_PER_OBJECT = 300  # that the copy needs to find out what holds an object
FORK_MS_PER_GIB = 30.0  # measured 8 to 27 ms; the copying of page tables, in which the target stands still
UNSAFE = ("libcuda.so", "libcudart", "cygrpc", "libgrpc", "libibverbs", "libnccl")
_OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")


@dataclass(frozen=True, slots=True)
class Sized:
    """What the containers of one probe held. Bytes are None where there was no time to measure them.

    `retained` is what would go with them, `estimate` stands in for it where that took too long, `deep` is pympler's
    size of all they reach; `holds` are the probes whose containers are among what they retain; `path` leads from a
    module to the largest of them. Probes of the same containers have the same `group`.
    """

    holders: int
    entries: int
    retained: int | None
    deep: int | None
    holds: tuple[int, ...]
    path: tuple[str, ...]
    estimate: int | None = None
    group: int = -1


@dataclass(frozen=True, slots=True)
class Census:
    """The heap at `t` (monotonic seconds). `live` and `free` are bytes of the allocators; None where unknown.

    `python` is the part of `live` that Python's objects have; `parts` are the bytes that all groups of a set hold and no
    other group does.
    """

    t: float
    live: int | None
    free: int | None
    objects: int
    containers: Mapping[int, Sized]
    types: Mapping[str, int]
    named_bytes: int | None
    parts: tuple[tuple[frozenset[int], int], ...] = ()
    python: int | None = None

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Census:
        """Return the census in a record."""
        live = record["live"]
        known = live["malloc"] >= 0
        return cls(
            t=record["t"],
            live=live["pymalloc"] + live["malloc"] - record["own"] if known else None,
            free=live["pymalloc_free"] + live["malloc_free"] if known else None,
            objects=record["objects"],
            containers={int(number): _sized(size) for number, size in record["containers"].items()},
            types=record["types"],
            named_bytes=record.get("named_bytes"),
            python=_python(live["pymalloc"], record.get("large"), live["malloc"]),
            parts=tuple((frozenset(groups), size) for groups, size in record.get("parts", ())),
        )


def _python(pooled: int, large: int | None, malloc: int) -> int | None:
    # Without pymalloc (PYTHONMALLOC=malloc) small objects lie among what is native.
    return pooled + min(large, malloc) if pooled and large is not None and malloc >= 0 else None


def _sized(size: Mapping[str, Any]) -> Sized:
    return Sized(
        holders=size["holders"],
        entries=size["entries"],
        retained=size.get("retained"),
        deep=size.get("deep"),
        holds=tuple(size.get("holds", ())),
        path=tuple(step["text"] for step in size.get("path", ())),
        estimate=size.get("estimate"),
        group=size.get("group", -1),
    )


def refusal(pid: int, pause_budget_ms: float) -> str:
    """Return why the target must not be copied now, or an empty string."""
    process = psutil.Process(pid)
    rss = process.memory_info().rss
    pause_ms = rss / 2**30 * FORK_MS_PER_GIB
    if pause_ms > pause_budget_ms:
        return (
            f"copying its {rss / 2**20:.0f} MiB would pause the target for about {pause_ms:.0f} ms, "
            f"which `--pause-budget {ceil(pause_ms)}` allows"
        )
    if _headroom(pid) < rss:
        return (
            f"there is less free memory than the target's {rss / 2**20:.0f} MiB, and a copy may need as much"
        )
    if _OVERCOMMIT.exists() and _OVERCOMMIT.read_text().strip() == "2":
        return "the kernel promises no more memory than it has (vm.overcommit_memory is 2)"
    try:
        unsafe = _unsafe_libraries(pid)
    except PermissionError:
        return "nobody but the target may see which libraries it has loaded"
    if unsafe:
        return f"the target has loaded {unsafe}, which does not survive a fork"
    return ""


def most_objects(pid: int) -> int:
    """Return of how many objects a copy of the target has the memory to find out what holds them."""
    room = _headroom(pid) - psutil.Process(pid).memory_info().rss
    return max(0, room // BYTES_PER_OBJECT)


def _headroom(pid: int) -> int:
    free = psutil.virtual_memory().available
    group = cgroup.memory(pid)
    if group is not None and group.limit is not None:
        free = min(free, group.limit - group.working_set)
    return int(free)


def _unsafe_libraries(pid: int) -> str:
    with Path(f"/proc/{pid}/maps").open(encoding="utf-8", errors="replace") as maps:
        names = {line.rpartition("/")[2].strip() for line in maps if "/" in line}
    return next((name for name in sorted(names) if any(word in name for word in UNSAFE)), "")


def tools() -> dict[str, bytes]:
    """Return the files that the copy imports, by their place in the channel: ours, objgraph's and pympler's."""
    objgraph, pympler = _origin("objgraph"), _origin("pympler").parent
    ours = Path(__file__).with_name("census_child").glob("*.py")
    return {
        **{f"lib/census_child/{file.name}": file.read_bytes() for file in ours},
        "lib/objgraph.py": objgraph.read_bytes(),
        "lib/pympler/__init__.py": (pympler / "__init__.py").read_bytes(),
        "lib/pympler/asizeof.py": (pympler / "asizeof.py").read_bytes(),
    }


def _origin(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ImportError(name)
    return Path(spec.origin)
