"""How long until a growing series reaches a limit."""

from __future__ import annotations

from dataclasses import dataclass

from leakaudit.process.trend import Trend


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds until a limit is reached, at the rate seen and at both ends of its interval; None is never.

    A straight line: what accelerates arrives sooner.
    """

    limit: float
    expected_s: float
    soonest_s: float
    latest_s: float | None


def forecast(trend: Trend, now: float, limit: float) -> Forecast | None:
    """Return when a series that stands at `now` reaches `limit`; None if it does not grow."""
    if not trend.grows or trend.rate.per_s <= 0:
        return None
    room = max(0.0, limit - now)
    return Forecast(
        limit=limit,
        expected_s=room / trend.rate.per_s,
        soonest_s=room / trend.rate.high,
        latest_s=room / trend.rate.low if trend.rate.low > 0 else None,
    )
