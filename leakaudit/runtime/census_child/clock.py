"""How much time a census has left."""

from __future__ import annotations

import time

LARGE_SHARE, SIZE_SHARE, PATH_SHARE = 0.2, 0.6, 0.9  # of the time: where each kind of work ends


class Clock:
    """The processor time that is left, of `limit_s` seconds."""

    def __init__(self, limit_s: float) -> None:
        self.begun, self.limit_s = time.process_time(), limit_s

    def spent(self, share: float) -> bool:
        """Tell whether a share of the time is used up."""
        return time.process_time() - self.begun > share * self.limit_s
