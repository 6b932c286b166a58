"""Browsers that ask for the channels of kernels that are gone."""

import asyncio
import time
from types import SimpleNamespace

from jupyter_server.services.kernels.handlers import ZMQChannelsHandler
from tornado.httputil import HTTPServerRequest


async def main():
    """Register a session per visit, as the handler does before its socket opens."""
    settings = {"kernel_manager": {}}
    application = SimpleNamespace(settings=settings, ui_modules={}, ui_methods={})
    connection = SimpleNamespace(set_close_callback=id)
    print("READY", flush=True)
    end, i = time.monotonic() + 150, 0
    while time.monotonic() < end:
        i += 1
        request = HTTPServerRequest("GET", f"/api/kernels/{i}/channels", connection=connection)
        handler = ZMQChannelsHandler(application, request)
        handler.kernel_id = f"kernel-{i}"
        await handler._register_session()
        await asyncio.sleep(0.05)


asyncio.run(main())
