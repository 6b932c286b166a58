"""Growth that no confirmed finding explains: which type, what keeps it alive, and where that is declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Any

from leakaudit.findings.report import Unexplained
from leakaudit.runtime.declared import Sources
from leakaudit.runtime.growth import LEAST_SAMPLES, Course, assess
from leakaudit.runtime.shares import share
from leakaudit.runtime.verdict import Watched

LEAST_BYTES_PER_S = 128.0
LEAST_SHARE = 0.02
LEAST_GAIN = 50
LEAST_ENTRIES = 5  # of a container with a name that rose throughout
FEW, GREW_BY = 8, 0.05  # entries, and part of those that were there, where only the ends were seen
MOST = 8
_WEAK = ("weakref.", "_weakrefset.")  # what these hold, somebody else keeps alive


class Rank(IntEnum):
    """What is told first: what has a name and rose throughout, what only has an address, what are many small
    things, and types of which nobody knows where they are.
    """

    NAMED = 0
    NAMELESS = 1
    POPULATION = 2
    TYPE = 3


Step = Mapping[str, str]


def declarations(result: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Add `path` and `line` of the nearest declaration to each unexplained growth of a census result, in place.

    `files` maps the modules of the target's own source to their files as they open here.
    """
    for item in (*result.get("unexplained", ()), *result.get("unexplained_types", ())):
        place = nearest(item["path"], files)
        item["file"], item["line"] = (str(place[0]), place[1]) if place else (None, None)


def nearest(path: Sequence[Step], files: Mapping[str, Path]) -> tuple[Path, int] | None:
    """Return file and line of the last name on a retaining path that the target's own source declares."""
    for step in reversed(path):
        if not step["name"]:
            continue
        for module in [step["module"]] if step["module"] else files:
            line = _line(files.get(module), step["owner"], step["name"])
            if line is not None:
                return files[module], line
    return None


def _line(file: Path | None, owner: str, name: str) -> int | None:
    place = Sources({"": file}, ()).declaration("", owner, name) if file is not None else None
    return place[1] if place else None


def unexplained(
    result: Mapping[str, Any] | None, watched: Watched, explained: int = 0
) -> tuple[Unexplained, ...]:
    """Return the growth that is worth telling, by rank, largest first.

    `result` is the last census; without one, only types are told that gained more objects than the `explained`
    entries of confirmed containers.
    """
    if result is None or watched.first is None or watched.last is None:
        return _by_samples(watched, explained)
    span = watched.last.t - watched.first.t
    if span <= 0:
        return ()
    nameless = (item for item in result.get("unexplained", ()) if not _in_cache(item))
    found = [(Rank.NAMELESS, _tell(item, span, watched)) for item in nameless]
    types = (item for item in result.get("unexplained_types", ()) if _keeps_growing(item["type"], watched))
    found += [(Rank.TYPE, _tell(item, span, watched)) for item in types]
    kept = [(rank, item) for rank, item in found if _matters(item)]
    for item in result.get("named", ()):
        named = _tell_named(item, span, watched)
        if named is not None:
            kept.append((Rank.POPULATION if item["population"] else Rank.NAMED, named))
    kept.sort(key=lambda pair: (pair[0] or pair[1].symbol.startswith(_WEAK), -(pair[1].bytes_per_s or 0.0)))
    return tuple(item for _, item in kept[:MOST])


def _in_cache(item: Mapping[str, Any]) -> bool:
    """Tell whether a container is where a function's cache keeps its entries: the cache itself is named and judged."""
    return bool(item["path"]) and item["path"][-1]["text"].startswith("_lru_cache_wrapper.")


def _tell_named(item: Mapping[str, Any], span: float, watched: Watched) -> Unexplained | None:
    """Return the growth of a container that has a name, None where it may be a warm-up."""
    gain = item["count"][1] - item["count"][0]
    growth = assess([(t, count) for t, count in item["points"]], item["limit"])
    if len(item["points"]) < LEAST_SAMPLES:
        if gain < max(FEW, GREW_BY * item["count"][0]):
            return None
        reason = "seen at both ends only, so this may be a warm-up"
    elif growth.course is Course.GROWS and gain >= LEAST_ENTRIES:
        reason = growth.reason
    else:
        return None
    if item["within"]:
        reason += f"; its entries lie in {item['within']}"
    if item["filler"]:
        reason += f"; its newest entry leads to {item['filler']}"
    if item["holders"] > 1:
        reason += f"; {item['holders']} containers together"
    return replace(_tell(item, span, watched), symbol=item["symbol"], reason=reason)


def _by_samples(watched: Watched, explained: int) -> tuple[Unexplained, ...]:
    names = {name for sample in watched.samples for name in sample.types or ()}
    found = []
    for name in names:
        growth = assess(_counts(name, watched))
        if growth.course is Course.GROWS and growth.last - growth.first > max(LEAST_GAIN, 1.1 * explained):
            found.append(Unexplained(name, (growth.first, growth.last), growth.rate))
    return tuple(sorted(found, key=lambda item: (-item.count_per_s, item.type_name))[:MOST])


def _tell(item: Mapping[str, Any], span: float, watched: Watched) -> Unexplained:
    first, last = item["count"]
    size = item["bytes"]
    return Unexplained(
        type_name=item["type"],
        count=(first, last),
        count_per_s=(last - first) / span,
        bytes_per_s=None if size is None else size / span,
        share=None if size is None else share(size, watched),
        retaining_path=tuple(step["text"] for step in item["path"]),
        path=item.get("file"),
        line=item.get("line"),
    )


def _keeps_growing(name: str, watched: Watched) -> bool:
    """Tell whether a type's count rose throughout, as far as the samples counted it."""
    points = _counts(name.removeprefix("builtins."), watched)
    return not points or assess(points).course is Course.GROWS


def _counts(name: str, watched: Watched) -> list[tuple[float, int]]:
    return [(s.t, s.types[name]) for s in watched.samples if s.types is not None and name in s.types]


def _matters(item: Unexplained) -> bool:
    return (item.bytes_per_s or 0.0) >= LEAST_BYTES_PER_S and (
        item.share is None or item.share >= LEAST_SHARE
    )


def own_files(
    modules: Mapping[str, str], sources: Iterable[Path], here: Mapping[str, Path]
) -> dict[str, Path]:
    """Return module -> file as it opens here, of the modules whose files lie in the target's own source."""
    tops = tuple(sources)
    return {
        name: here[name]
        for name in modules
        if name in here and any(here[name] == top or top in here[name].parents for top in tops)
    }
