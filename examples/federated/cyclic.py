"""Cyclic weight transfer (Chang and others 2018): the model travels from node to node, each trains it in turn."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

from fedavg import node
from job import NODES, Job, main, serving
from problem import Array, blank
from rounds import ask
from transport import ServerSocket


async def pass_on(server: ServerSocket, number: int, order: Sequence[str], weights: Array) -> Array:
    """Send the model once around, and return what comes back from the last node."""
    for name in order:
        done = await ask(server, number, (name,), {"weights": weights})
        weights = done.updates[name].arrays["weights"]
    return weights


async def run(job: Job) -> None:
    """Run all rounds, each in a new order, so that no node has the last word twice in a row for long."""
    shuffled = random.Random(7)
    weights = blank()
    async with serving({name: node(job.data[name]) for name in NODES}) as server:
        for number in range(1, job.options.rounds + 1):
            order = shuffled.sample(NODES, len(NODES))
            weights = await pass_on(server, number, order, weights)
            await job.after_round(number, weights)


if __name__ == "__main__":
    sys.exit(main(run))
