"""Federated averaging (McMahan and others 2017): nodes train from the same weights, the server averages."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from job import NODES, Job, main, serving
from problem import Array, Dataset, blank, train
from rounds import ask
from transport import Arrays, ServerSocket, Work


def node(data: Dataset) -> Work:
    """Return a node's part: an epoch on its own data, in a thread of its own."""

    async def work(number: int, arrays: Arrays, _: Mapping[str, Any]) -> Arrays:
        weights, _ = await asyncio.to_thread(train, arrays["weights"], data, number)
        return {"weights": weights}

    return work


async def average(server: ServerSocket, number: int, weights: Array, sizes: Mapping[str, int]) -> Array:
    """Run one round and return the new weights, each node's counted by its data."""
    done = await ask(server, number, sizes, {"weights": weights})
    total = sum(sizes.values())
    result = blank()
    for name, update in done.updates.items():
        result += update.arrays["weights"] * (sizes[name] / total)
    return result


async def run(job: Job) -> None:
    """Run all rounds."""
    sizes = {name: len(data.topics) for name, data in job.data.items()}
    weights = blank()
    async with serving({name: node(job.data[name]) for name in NODES}) as server:
        for number in range(1, job.options.rounds + 1):
            weights = await average(server, number, weights, sizes)
            await job.after_round(number, weights)


if __name__ == "__main__":
    sys.exit(main(run))
