"""Home servers that are set up and dropped, as tests do, each with its own rate limiter."""

import time

from synapse.config.ratelimiting import FederationRatelimitSettings
from synapse.util import Clock
from synapse.util.ratelimitutils import FederationRateLimiter
from twisted.internet import reactor

settings, clock = FederationRatelimitSettings(), Clock(reactor)
print("READY", flush=True)
end = time.monotonic() + 150
while time.monotonic() < end:
    limiter = FederationRateLimiter(clock, settings, "federation")
    with limiter.ratelimit("other.example"):
        pass
    time.sleep(0.01)
