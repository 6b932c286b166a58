"""Arrays over the wire: the demo server's WebSocket transport, with models as Base64 in its JSON messages."""

from __future__ import annotations

import base64
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from leakaudit.demo.federation import federated_dir

sys.path.insert(0, str(federated_dir()))

from fixed.communication.messages import Message, MessageType
from fixed.communication.server_socket import ServerSocket

__all__ = ("HOST", "Arrays", "Message", "MessageType", "ServerSocket", "pack", "take_part", "unpack")

HOST = "127.0.0.1"

Array = NDArray[np.float32]
Arrays = Mapping[str, Array]
Work = Callable[[int, Arrays, Mapping[str, Any]], Awaitable[Arrays | None]]


def pack(kind: MessageType, sender: str, round_number: int, arrays: Arrays, **more: Any) -> Message:
    """Return a message with arrays in it."""
    coded = {
        name: {"shape": array.shape, "data": base64.b64encode(array.tobytes()).decode()}
        for name, array in arrays.items()
    }
    return Message(kind, sender, {"round": round_number, "arrays": coded, **more})


def unpack(message: Message) -> Arrays:
    """Return the arrays of a message."""
    return {
        name: np.frombuffer(base64.b64decode(coded["data"]), np.float32).reshape(coded["shape"])
        for name, coded in message.payload["arrays"].items()
    }


async def take_part(name: str, port: int, work: Work) -> None:
    """Be a node of the server at `port`: answer each task with what `work` returns, until the server goes away."""
    # A socket of our own keeps proxies that the environment names out of the way.
    peer = socket.create_connection((HOST, port), timeout=5.0)
    async with connect(f"ws://{HOST}:{port}", sock=peer, compression=None, max_size=None) as connection:
        await connection.send(Message(MessageType.REGISTER, name).encode())
        try:
            async for raw in connection:
                message = Message.decode(raw)
                if message.type is MessageType.TRAIN:
                    number = message.payload["round"]
                    result = await work(number, unpack(message), message.payload)
                    if result is not None:
                        reply = pack(MessageType.MODEL_UPDATE, name, number, result)
                        await connection.send(reply.encode())
        except ConnectionClosed:
            return
