"""Figures as people read them."""

from __future__ import annotations

import pytest

from leakaudit.report import units


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "0.98 KiB"), (51234, "50.0 KiB"), (1 << 20, "1.00 MiB"), (-2048, "-2.00 KiB"), (5 << 50, "5120 TiB")],
)  # fmt: skip
def test_size(value: float, text: str) -> None:
    assert units.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0/s"), (38.2, "38.2/s"), (1, "1/s"), (12345.6, "12,346/s"), (0.5, "30/min"), (0.004, "14.4/h"), (0.00001, "0.86/day"), (-3, "-3/s")],
)  # fmt: skip
def test_rate(value: float, text: str) -> None:
    assert units.rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B/s"), (51234, "50.0 KiB/s"), (1, "60 B/min"), (0.001, "86 B/day")]
)
def test_size_rate(value: float, text: str) -> None:
    assert units.size_rate(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.66, "66 %"), (0.004, "0.4 %"), (0, "0 %"), (1, "100 %")])
def test_share(value: float, text: str) -> None:
    assert units.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.4183, "0.42 s"), (5, "5 s"), (61.2, "61 s"), (720, "12 min"), (11520, "3.2 h")]
)
def test_seconds(value: float, text: str) -> None:
    assert units.seconds(value) == text


def test_count() -> None:
    assert units.count(1, "finding") == "1 finding"
    assert units.count(20417, "line") == "20,417 lines"
    assert units.count(0, "entry", "entries") == "0 entries"
