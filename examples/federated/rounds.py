"""One round: a task goes out, updates come in.

A round is garbage that only the collector can free, in the two ways in which job code ties such knots without noticing:
its handler is its own bound method, and each update refers to the round that it came in. Whatever a round received
stays with it, messages and all: about five megabytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from transport import Arrays, Message, MessageType, ServerSocket, pack, unpack

TIMEOUT_S = 20.0


@dataclass(eq=False)
class Update:
    """What a node sent in a round."""

    round: Round
    message: Message
    arrays: Arrays


@dataclass(eq=False)
class Round:
    """A round's number, who takes part, and what has come in."""

    number: int
    participants: frozenset[str]
    updates: dict[str, Update] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        # Kept, because removing a handler takes the very object that was set.
        self.handler = self.receive

    def receive(self, node: str, message: Message) -> None:
        """Take a message of a node."""
        if message.payload.get("round") != self.number:
            return
        self.updates[node] = Update(self, message, unpack(message))
        if self.participants <= self.updates.keys():
            self.complete.set()


async def ask(
    server: ServerSocket, number: int, nodes: Iterable[str], arrays: Arrays, sender: str = "server"
) -> Round:
    """Send a task to nodes and return the round with all their updates; raises TimeoutError."""
    asked = Round(number, frozenset(nodes))
    server.set_message_handler(MessageType.MODEL_UPDATE, asked.handler)
    try:
        await server.broadcast(asked.participants, pack(MessageType.TRAIN, sender, number, arrays))
        await asyncio.wait_for(asked.complete.wait(), TIMEOUT_S)
    finally:
        server.remove_message_handler(MessageType.MODEL_UPDATE, asked.handler)
    return asked
