"""A web application that is asked for another path each time."""

import asyncio
import time

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette_prometheus import PrometheusMiddleware

app = Starlette()
app.add_middleware(PrometheusMiddleware)


@app.route("/users/{number}")
def user(_):
    """Answer."""
    return PlainTextResponse("hello")


async def ask(path):
    """Send one request."""

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        pass

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    await app({**scope, "http_version": "1.1", "scheme": "http", "server": ("test", 80)}, receive, send)


async def main():
    """Ask without end."""
    print("READY", flush=True)
    end, i = time.monotonic() + 150, 0
    while time.monotonic() < end:
        i += 1
        await ask(f"/users/{i}")
        await asyncio.sleep(0.03)


asyncio.run(main())
