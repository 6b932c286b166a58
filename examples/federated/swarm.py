"""Swarm learning (Warnat-Herresthal and others 2021): no server; in each round another peer aggregates.

Every peer listens, and is a node of all the others. The aggregator of a round asks its peers to train, averages, and
hands the model on to the next aggregator.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import fedavg
from job import NODES, Job, main, serving
from problem import Array, blank
from rounds import ask
from transport import Arrays, MessageType, ServerSocket, Work, pack

LEAD = "lead"


class Peer:
    """One member: trains when an aggregator asks, aggregates when it is its turn."""

    def __init__(self, name: str, job: Job) -> None:
        self.name = name
        self.others = tuple(other for other in NODES if other != name)
        self.turns: asyncio.Queue[tuple[int, Array]] = asyncio.Queue(maxsize=1)
        self._job = job
        self._train = fedavg.node(job.data[name])

    async def work(self, number: int, arrays: Arrays, payload: Mapping[str, Any]) -> Arrays | None:
        """Answer an aggregator: train, or take over from it."""
        if payload.get(LEAD) == self.name:
            await self.turns.put((number, arrays["weights"]))
            return None
        return await self._train(number, arrays, payload)

    async def aggregate(self, server: ServerSocket, number: int, weights: Array) -> Array:
        """Run one round as its aggregator."""
        own = asyncio.create_task(self._train(number, {"weights": weights}, {}))
        done = await ask(server, number, self.others, {"weights": weights}, self.name)
        sizes = {name: len(self._job.data[name].topics) for name in NODES}
        parts = {name: update.arrays["weights"] for name, update in done.updates.items()}
        parts[self.name] = (await own)["weights"]
        return sum((part * (sizes[name] / sum(sizes.values())) for name, part in parts.items()), blank())

    async def lead(self, server: ServerSocket, rounds: int) -> None:
        """Take turns until the last round is over."""
        while True:
            number, weights = await self.turns.get()
            weights = await self.aggregate(server, number, weights)
            await self._job.after_round(number, weights)
            if number == rounds:
                return
            heir = NODES[number % len(NODES)]
            task = pack(MessageType.TRAIN, self.name, number + 1, {"weights": weights}, **{LEAD: heir})
            await server.broadcast((heir,), task)


@contextlib.asynccontextmanager
async def connected(peers: Mapping[str, Peer]) -> AsyncIterator[Mapping[str, ServerSocket]]:
    """Let every peer listen, and connect all of them with each other."""
    async with contextlib.AsyncExitStack() as stack:
        works: dict[str, dict[str, Work]] = {
            name: {other: peers[other].work for other in peer.others} for name, peer in peers.items()
        }
        yield {name: await stack.enter_async_context(serving(works[name])) for name in peers}


async def run(job: Job) -> None:
    """Run all rounds; the peer whose turn is the last ends them."""
    peers = {name: Peer(name, job) for name in NODES}
    async with connected(peers) as servers:
        leading = [asyncio.create_task(p.lead(servers[n], job.options.rounds)) for n, p in peers.items()]
        await peers[NODES[0]].turns.put((1, blank()))
        done, waiting = await asyncio.wait(leading, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for task in done:
            task.result()


if __name__ == "__main__":
    sys.exit(main(run))
