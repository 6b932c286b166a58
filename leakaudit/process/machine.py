"""What the machine itself has left."""

from __future__ import annotations

import psutil


def available() -> int | None:
    """Return the bytes that processes can still get without swapping, None where that is unknown."""
    try:
        return int(psutil.virtual_memory().available)
    except (psutil.Error, OSError):
        return None
