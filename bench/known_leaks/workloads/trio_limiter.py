"""Tasks that give up waiting for a limiter."""

import time

import trio


async def main():
    """Wait a moment, give up, and begin again."""
    limiter = trio.CapacityLimiter(1)
    await limiter.acquire_on_behalf_of("the one that stays")
    print("READY", flush=True)
    end = time.monotonic() + 150
    while time.monotonic() < end:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(limiter.acquire)
            await trio.sleep(0.01)
            nursery.cancel_scope.cancel()


trio.run(main)
