"""Home servers that are set up and dropped, as tests do, each with its own rate limiter."""

from synapse.config.ratelimiting import FederationRatelimitSettings
from synapse.util import Clock
from synapse.util.ratelimitutils import FederationRateLimiter
from twisted.internet import reactor, task

settings, clock = FederationRatelimitSettings(), Clock(reactor)


def serve():
    """Answer one request of a server that lives no longer."""
    limiter = FederationRateLimiter(clock, settings, "federation")
    with limiter.ratelimit("other.example"):
        pass


reactor.callLater(150, reactor.stop)
reactor.callWhenRunning(print, "READY", flush=True)
task.LoopingCall(serve).start(0.01)
reactor.run()
