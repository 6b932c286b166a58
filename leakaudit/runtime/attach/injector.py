"""What every way of placing code in a target has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakaudit.runtime.attach.target import Target


@dataclass(frozen=True, slots=True)
class Injection:
    """How the code got into the target."""

    method: str
    #: What made it run: the injector's own word.
    mode: str
    #: How long the target's main thread stood still, each time.
    stops_ms: tuple[float, ...]
    #: From the call of `inject` until the agent reported.
    latency_ms: float


class Injector(Protocol):
    """A way of running Python source in a live process."""

    @property
    def name(self) -> str:
        """Return the word for `--method` and for reports."""

    def available(self, target: Target) -> str | None:
        """Return why this way is closed for the target, or None when it is open."""

    def inject(
        self, target: Target, source: bytes, hello: Callable[[], bool], deadline_s: float
    ) -> Injection:
        """Run `source` once, in the target's main thread at a safe point, and wait until `hello` is true.

        The source sees a namespace of its own, and what it raises is swallowed. Raises AttachError when the target
        cannot be reached, ends, or has not run the source `deadline_s` seconds later; in the last case the source is
        withdrawn and will not run.
        """
