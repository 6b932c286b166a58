"""Run a body again and again, and fail with the name of what grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from leakaudit.report import units
from leakaudit.testing.heap import Grown, Heap
from leakaudit.testing.rounds import Plan, calls

#: What grows with every call because a test runs at all: the runner's own records, and those of test doubles.
RUNNERS_OWN = ("_pytest", "pytest", "pluggy", "unittest.mock", "coverage", "leakaudit", "pympler", "objgraph")

#: What the standard library keeps up to a bound of its own, which a few rounds need not reach.
LIBRARYS_OWN = ("re", "_strptime", "linecache", "warnings", "fnmatch", "typing")
OTHERS = (*RUNNERS_OWN, *LIBRARYS_OWN)


class GrowthError(AssertionError):
    """Something grew with every run of a body; `grown` is what."""

    def __init__(self, message: str, grown: Sequence[Grown]) -> None:
        super().__init__(message)
        self.grown = tuple(grown)


def check(
    body: Callable[[], object], *, name: str = "", plan: Plan | None = None, ignore: Sequence[str] = ()
) -> None:
    """Run a body as planned; raise GrowthError if something gains with every run.

    `ignore` holds dotted names: `package`, `package.module.Class`, `package.module.Class.attribute`.
    """
    plan = plan or Plan()
    heap = Heap((*OTHERS, *ignore))
    for _ in calls(plan, heap.count):
        body()
    grown = heap.grown(plan.repeat)
    if grown:
        raise GrowthError(message(grown, plan, name or getattr(body, "__qualname__", "the body")), grown)


def verdict(heap: Heap, plan: Plan, name: str) -> str:
    """Say what gained in every round that the heap was counted after; empty if nothing did."""
    grown = heap.grown(plan.repeat)
    return message(grown, plan, name) if grown else ""


def message(grown: Sequence[Grown], plan: Plan, name: str) -> str:
    """Say what grows, how fast, where it is declared, what keeps it and what it holds."""
    things = units.count(len(grown), "thing grows", "things grow")
    lines = [f"{things} with every call of {name} ({plan})"]
    for item in grown:
        lines.append(f"  {item.symbol}{_place(item)}: {_gain(item, plan)}")
        if item.retaining_path:
            lines.append(f"    kept by {' -> '.join(item.retaining_path)}")
        if item.holds:
            lines.append(f"    gained: {', '.join(f'{count:,} {kind}' for kind, count in item.holds)}")
    return "\n".join(lines)


def _gain(item: Grown, plan: Plan) -> str:
    first, last = item.entries
    noun = item.noun if item.gain != plan.calls else {"entries": "entry", "objects": "object"}[item.noun]
    size = f", {units.size(item.bytes / plan.calls)}" if item.bytes is not None else ""
    return f"+{units.number(item.gain / plan.calls)} {noun}{size} a call ({first:,} -> {last:,})"


def _place(item: Grown) -> str:
    if item.path is None:
        return ""
    path = Path(item.path)
    here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f" ({here.as_posix()}:{item.line})"
