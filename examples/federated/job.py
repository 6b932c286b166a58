"""What all jobs share: the command line, the nodes, cleaning up between rounds, and whether anything was learnt."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

# One thread for each product: the nodes are parallel enough. Read when numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from problem import Array, Dataset, Problem, blank
from transport import HOST, ServerSocket, Work, take_part

from leakaudit import mark
from leakaudit.reclaim import cleanup_memory_async

NODES = ("agg_0", "agg_1", "pos_0", "pos_1", "pos_2", "tac_0", "tac_1", "tac_2")
LEARNT = 0.03  # what accuracy gains at least after the first round


@dataclass(frozen=True)
class Options:
    """How many rounds; clean up after every so many (0: never); whether Python may collect by itself.

    "manual" is what training code does that wants no collection in the middle of a step: it turns the collector off.
    """

    rounds: int
    gc_rounds: int
    collector: str


class Job:
    """A federation in one process, as a simulator runs it: sockets, but no second machine."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.problem = Problem()
        self.data: dict[str, Dataset] = {name: self.problem.node() for name in NODES}
        # leakaudit: bounded=one number for each round
        self.accuracies = [self.problem.accuracy(blank())]

    async def after_round(self, number: int, weights: Array) -> None:
        """Measure the model, clean up if it is time to, and tell a recorder (`leakaudit run`) that a round is over."""
        self.accuracies.append(self.problem.accuracy(weights))
        if self.options.gc_rounds and number % self.options.gc_rounds == 0:
            await cleanup_memory_async()
        mark(f"round {number}")


@contextlib.asynccontextmanager
async def serving(works: dict[str, Work]) -> AsyncIterator[ServerSocket]:
    """Run a server, with one node for each name that does its work when asked."""
    server = ServerSocket(HOST, 0, greeting={})
    await server.start()
    nodes = [asyncio.create_task(take_part(name, server.port, work)) for name, work in works.items()]
    try:
        await asyncio.wait_for(server.wait_for_nodes(len(nodes)), 10.0)
        yield server
    finally:
        await server.stop()
        for node in nodes:
            node.cancel()
        await asyncio.gather(*nodes, return_exceptions=True)


def main(run: Callable[[Job], Awaitable[None]], argv: Sequence[str] | None = None) -> int:
    """Run a job; the exit code is 1 if the model has not learnt."""
    parser = argparse.ArgumentParser(description=sys.modules[run.__module__].__doc__)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--gc-rounds", type=int, default=0, help="clean up after every N rounds; 0: never")
    parser.add_argument(
        "--collector", choices=("manual", "automatic"), default="manual", help="who decides when to collect"
    )
    options = Options(**vars(parser.parse_args(argv)))
    if options.collector == "manual":
        gc.disable()
    job = Job(options)
    asyncio.run(run(job))
    before, first, last = job.accuracies[0], job.accuracies[1], job.accuracies[-1]
    rounds = len(job.accuracies) - 1
    print(f"accuracy {before:.3f} before, {first:.3f} after round 1, {last:.3f} after round {rounds}")
    return 0 if last > first + LEARNT else 1
