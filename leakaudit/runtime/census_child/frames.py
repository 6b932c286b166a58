"""What code holds in its local variables: running in a thread, or suspended in a coroutine or generator."""

from __future__ import annotations

from .library import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType
    from typing import Any


def _generator() -> Iterator[None]:
    yield


async def _asynchronous() -> Any:
    yield


#: Type's address -> in which of its attributes the frame lies.
SUSPENDED = {id(type(_generator())): "gi_frame", id(type(_asynchronous())): "ag_frame"}
OPTIMIZED = 1  # of code whose local variables are its own


def holder(kind: Any) -> str:
    """Return in which attribute objects of a type have their frame; empty for those that have none."""
    return "cr_frame" if kind is library["Coroutine"] else SUSPENDED.get(id(kind), "")


def frame_of(obj: Any) -> FrameType | None:
    """Return the frame of a suspended coroutine or generator, None of one that has ended."""
    frame: FrameType | None = getattr(obj, holder(type(obj)))
    return frame


def qualname(frame: FrameType) -> str:
    """Return the name of the function that runs in a frame, before 3.11 without its class."""
    return str(getattr(frame.f_code, "co_qualname", frame.f_code.co_name))


def stacks(tops: Iterable[FrameType]) -> list[FrameType]:
    """Return the frames of functions on some stacks."""
    found: list[FrameType] = []
    for top in tops:
        frame: FrameType | None = top
        while frame is not None:
            if frame.f_code.co_flags & OPTIMIZED:
                found.append(frame)
            frame = frame.f_back
    return found
