"""Servlets that are made, each with its own rate limiter."""

import time

from synapse.config.ratelimiting import FederationRatelimitSettings
from synapse.server import HomeServer  # noqa: F401 - as a server imports it
from synapse.util import Clock
from synapse.util.ratelimitutils import FederationRateLimiter
from twisted.internet import reactor

settings = (
    FederationRatelimitSettings.parse_obj({})
    if hasattr(FederationRatelimitSettings, "parse_obj")
    else FederationRatelimitSettings()
)
clock = Clock(reactor)
print("READY", flush=True)
end, i = time.monotonic() + 150, 0
while time.monotonic() < end:
    i += 1
    limiter = FederationRateLimiter("server", clock, settings, metrics_name=None)
    time.sleep(0.01)
