"""Figures as people read them."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: float) -> str:
    """Write bytes with three digits that count: `512 B`, `50.0 KiB`, `1.21 MiB`."""
    value = float(count)
    for unit in _UNITS:
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            return f"{value:.0f} B" if unit == "B" else f"{_three_digits(value)} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def number(value: float) -> str:
    """Write a count in full with separators, anything else with three digits that count."""
    return f"{round(value):,}" if value == round(value) or abs(value) >= 100 else _three_digits(value)


def rate(per_second: float) -> str:
    """Write a rate per second, or per minute, hour or day where it is slow."""
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h"), (86400, "day")):
        if abs(per_second * factor) >= 0.995 or unit == "day" or per_second == 0:
            return f"{number(_rounded(per_second * factor))}/{unit}"
    raise AssertionError("unreachable")


def size_rate(per_second: float) -> str:
    """Write bytes per second, or per minute, hour or day where that is less than 10 bytes."""
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h"), (86400, "day")):
        if abs(per_second * factor) >= 10 or unit == "day" or per_second == 0:
            return f"{size(per_second * factor)}/{unit}"
    raise AssertionError("unreachable")


def share(part: float) -> str:
    """Write a share of 0 to 1 in per cent."""
    percent = part * 100
    return f"{percent:.0f} %" if percent >= 1 or percent == 0 else f"{percent:.1f} %"


def seconds(duration: float) -> str:
    """Write a duration: `0.42 s`, `61 s`, `12 min`, `3.2 h`."""
    if duration < 120:
        return f"{duration:.2g} s" if duration < 10 else f"{duration:.0f} s"
    return f"{duration / 60:.0f} min" if duration < 7200 else f"{duration / 3600:.1f} h"


def hours(duration: float) -> str:
    """Write a time to come: `42 s`, `12 min`, `3 h 10 min`, `12 days`."""
    minutes = round(duration / 60)
    if duration < 120:
        return seconds(duration)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes / 1440:,.0f} days"


def count(number_of: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun: `1 finding`, `2 findings`."""
    return f"{number_of:,} {noun if number_of == 1 else plural or noun + 's'}"


def _rounded(value: float) -> float:
    return round(value, 2 if abs(value) < 10 else 1)


def _three_digits(value: float) -> str:
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}"
