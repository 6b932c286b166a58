"""Load for `bench/web_workers.py`: requests at a fixed rate over a few connections, until standard input closes.

Each line that it writes is one request: when it was due (monotonic seconds), milliseconds until its answer was whole,
and an empty string or what went wrong. A request that has to wait because the one before it is late counts from when
it was due, so that a stop of the server is not hidden by the client's own waiting.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

CONNECTIONS = 8
PATIENCE_S = 10.0
REQUEST = b"GET /item HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Http:
    """One connection that is kept alive as long as the server likes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> str:
        """Send one request; return what is wrong with the answer."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(REQUEST)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split()[0])
        body = await reader.readexactly(length)
        if b"connection: close" in head:
            await self.drop()
        return "" if b" 200 " in head.split(b"\r\n")[0] and body == b"ok" else repr(head[:40])

    async def drop(self) -> None:
        """Close the connection."""
        if self.streams is not None:
            self.streams[1].close()
        self.streams = None


class WebSocket:
    """One connection that echoes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: Any = None

    async def ask(self) -> str:
        """Send one message; return what is wrong with the answer."""
        if self.socket is None:
            from websockets.asyncio.client import connect

            self.socket = await connect(f"ws://127.0.0.1:{self.port}")
        await self.socket.send("item")
        return "" if await self.socket.recv() == "ok" else "another answer"

    async def drop(self) -> None:
        """Close the connection."""
        if self.socket is not None:
            await self.socket.close()
        self.socket = None


async def drive(connection: Http | WebSocket, first_s: float, every_s: float, over: asyncio.Event) -> None:
    """Send a request at each due time."""
    due = first_s
    while not over.is_set():
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        wrong = ""
        try:
            wrong = await asyncio.wait_for(connection.ask(), PATIENCE_S)
        except Exception as error:
            wrong = repr(error)
            await connection.drop()
        print(json.dumps([due, (time.monotonic() - due) * 1e3, wrong]))
        due += every_s
    await connection.drop()


async def main(kind: str, port: int, rate: float) -> None:
    """Run all connections."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: None if sys.stdin.buffer.read1(64) else over.set())
    start = time.monotonic() + 0.2
    make = WebSocket if kind == "websockets" else Http
    await asyncio.gather(
        *(drive(make(port), start + number / rate, CONNECTIONS / rate, over) for number in range(CONNECTIONS))
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
