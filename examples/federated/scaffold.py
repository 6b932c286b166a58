"""SCAFFOLD (Karimireddy and others 2020): control variates correct for the drift of nodes whose data differ.

Each node keeps c_i and the server c, both estimates of a gradient. A local step follows gradient - c_i + c; after its
steps a node sets c_i to c_i - c + (x - y) / (steps * rate), the paper's option II, and sends both differences.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from job import NODES, Job, main, serving
from problem import RATE, Array, Dataset, blank, train
from rounds import ask
from transport import Arrays, ServerSocket, Work

SERVER_RATE = 1.0


def node(data: Dataset) -> Work:
    """Return a node's part, which remembers its control variate from round to round."""
    own = blank()

    async def work(number: int, arrays: Arrays, _: Mapping[str, Any]) -> Arrays:
        nonlocal own
        start, shared = arrays["weights"], arrays["control"]
        end, steps = await asyncio.to_thread(train, start, data, number, shared - own)
        before, own = own, own - shared + (start - end) / (steps * RATE)
        return {"weights": end - start, "control": own - before}

    return work


async def correct(server: ServerSocket, number: int, weights: Array, control: Array) -> tuple[Array, Array]:
    """Run one round and return the new weights and the new control variate of the server."""
    done = await ask(server, number, NODES, {"weights": weights, "control": control})
    moved, drifted = blank(), blank()
    for update in done.updates.values():
        moved += update.arrays["weights"] / len(NODES)
        drifted += update.arrays["control"] / len(NODES)
    return weights + SERVER_RATE * moved, control + drifted  # all nodes take part: |S| / N is 1


async def run(job: Job) -> None:
    """Run all rounds."""
    weights, control = blank(), blank()
    async with serving({name: node(job.data[name]) for name in NODES}) as server:
        for number in range(1, job.options.rounds + 1):
            weights, control = await correct(server, number, weights, control)
            await job.after_round(number, weights)


if __name__ == "__main__":
    sys.exit(main(run))
