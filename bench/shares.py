"""Shares in per cent, and how sure they are."""

from __future__ import annotations

import math


def percent(part: int, whole: int) -> str:
    """A share in per cent with one decimal."""
    return f"{100 * part / whole:.1f}" if whole else "-"


def interval(part: int, whole: int) -> str:
    """Wilson's 95 % interval of a share, in per cent."""
    if not whole:
        return "-"
    z2, share = 1.96**2, part / whole
    middle = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = 1.96 * math.sqrt(share * (1 - share) / whole + z2 / (4 * whole**2)) / (1 + z2 / whole)
    return f"{100 * max(0.0, middle - half):.1f} to {100 * min(1.0, middle + half):.1f} %"
