"""What the agent counted at one moment, as the controller keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One probe at one moment.

    `nested` counts the entries one level down, None where values are no containers; `largest` is the holder with the
    most entries; `bytes` is a sampled estimate; `limit` is the size that the container allows itself; `mark` is the
    identity of its first entry; `fresh` is False when holders born since the last search are not in it.
    """

    holders: int
    entries: int
    nested: int | None
    largest: int
    bytes: int
    limit: int | None
    mark: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """All probes and the heap's size at `t` (monotonic seconds). `types` is None where the heap was not searched.

    `cuda` is the device memory that torch has handed out and that it holds, None where it does not use CUDA.
    """

    t: float
    blocks: int
    threads: int
    rows: Mapping[int, Row]
    unresolved: Mapping[int, str]
    types: Mapping[str, int] | None
    partial: str
    pause_ms: float
    cpu_ms: float
    own_bytes: int
    cuda: tuple[int, int] | None = None

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Sample:
        """Return the sample in a record of the agent."""
        return cls(
            t=record["t"],
            blocks=record["blocks"],
            threads=record["threads"],
            rows={row[0]: Row(*row[1:]) for row in record["probes"]},
            unresolved={int(number): why for number, why in record["unresolved"].items()},
            types=record["types"],
            partial=record["partial"],
            pause_ms=record["pause_ms"],
            cpu_ms=record["cpu_ms"],
            own_bytes=record["bytes"],
            cuda=(record["cuda"][0], record["cuda"][1]) if record.get("cuda") else None,
        )
