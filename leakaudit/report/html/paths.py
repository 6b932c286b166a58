"""Retaining paths that share their beginning, as one tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Steps of a path beyond these are not drawn.
DEEPEST = 40


@dataclass(frozen=True, slots=True)
class Node:
    """Steps that follow each other without a branch, what hangs on the last of them, and the branches from there."""

    steps: tuple[str, ...]
    held: tuple[str, ...] = ()
    branches: tuple[Node, ...] = ()


def tree(paths: Iterable[tuple[tuple[str, ...], str]]) -> tuple[Node, ...]:
    """Return the branches that (path, what it keeps alive) make together."""
    return _grow([(path[:DEEPEST], held) for path, held in paths])


def _grow(paths: list[tuple[tuple[str, ...], str]]) -> tuple[Node, ...]:
    groups: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for path, held in paths:
        if path:
            groups.setdefault(path[0], []).append((path, held))
    return tuple(_node(group) for group in groups.values())


def _node(group: list[tuple[tuple[str, ...], str]]) -> Node:
    shared = _shared([path for path, _ in group])
    ends = tuple(held for path, held in group if len(path) == len(shared))
    return Node(shared, ends, _grow([(path[len(shared) :], held) for path, held in group]))


def _shared(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the steps that all paths begin with."""
    shortest = min(paths, key=len)
    for index, step in enumerate(shortest):
        if any(path[index] != step for path in paths):
            return shortest[:index]
    return shortest
