"""A crawler that asks, host after host, which cookies it would send."""

import asyncio
import time

from aiohttp import CookieJar
from yarl import URL


async def main():
    """Ask for hosts that are seen once."""
    jar = CookieJar()
    jar.update_cookies({"session": "1"}, URL("http://shop.example/"))
    print("READY", flush=True)
    end, i = time.monotonic() + 150, 0
    while time.monotonic() < end:
        i += 1
        jar.filter_cookies(URL(f"http://shop{i}.example/basket"))
        await asyncio.sleep(0.01)


asyncio.run(main())
