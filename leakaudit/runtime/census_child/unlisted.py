"""Containers that neither a module nor an object names: of functions that are running, and of the interpreter."""

from __future__ import annotations

import os
from itertools import compress, repeat
from operator import is_

from .survey import frame_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType
    from typing import Any


def unlisted(objects: list[Any], running: Iterable[FrameType]) -> list[tuple[str, str, Any]]:
    """Return (owner, name, value) of the local variables of functions, and of what is to be called at a fork."""
    found = [named for frame in running for named in frame_names(frame)]
    return found + [("os:", "register_at_fork", functions) for functions in at_fork(objects)]


def at_fork(objects: list[Any]) -> Iterator[list[Any]]:
    """Yield the lists of functions that are called at a fork; the interpreter shows them to nobody."""

    def mark() -> None:
        """Do nothing: it is looked for, and taken out again."""

    os.register_at_fork(before=mark, after_in_parent=mark, after_in_child=mark)
    for functions in compress(objects, map(is_, map(type, objects), repeat(list))):
        if functions and functions[-1] is mark:
            functions.pop()
            yield functions
