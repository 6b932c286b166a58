"""Series that stay small, forecasts, and trends of what was thinned out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakaudit.process.forecast import forecast
from leakaudit.process.rate import Rate
from leakaudit.process.series import CAPACITY, Series
from leakaudit.process.trend import Shape, Trend, classify


def filled(values: list[float], capacity: int = CAPACITY) -> Series:
    series = Series(capacity)
    for i, value in enumerate(values):
        series.append(float(i), value)
    return series


def test_a_short_series_is_kept_as_it_is():
    assert filled([3.0, 1.0, 2.0]).points() == [(0.0, 3.0), (1.0, 1.0), (2.0, 2.0)]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300), st.sampled_from([2, 4, 7, 16]))
def test_extremes_survive_and_time_runs_forward(values, capacity):
    series = filled(values, capacity)
    points = series.points()
    assert len(points) <= 2 * capacity
    assert [t for t, _ in points] == sorted({t for t, _ in points})
    assert min(v for _, v in points) == min(values)
    assert max(v for _, v in points) == max(values) == series.largest
    assert all(values[int(t)] == v for t, v in points)
    assert (series.samples, series.first, series.last) == (len(values), values[0], values[-1])


def test_a_day_at_one_sample_a_second_stays_small():
    series = filled([float(i % 97) for i in range(86_400)])
    columns = [getattr(series, name) for name in ("_low_at", "_low", "_high_at", "_high")]
    assert sum(len(c) * c.itemsize for c in columns) <= 16 * 1024
    assert 256 <= len(columns[0]) <= CAPACITY


DAY = 20_000
LONG = {
    "leak": ([100 + i / 500 for i in range(DAY)], Shape.STEADY_GROWTH),
    "sawtooth": ([100 + (i % 900) / 30 for i in range(DAY)], Shape.SAWTOOTH),
    "fast sawtooth": ([100 + (i % 20) for i in range(DAY)], None),
    "sawtooth that leaks": ([100 + (i % 900) / 30 + i / 400 for i in range(DAY)], Shape.GROWING_SAWTOOTH),
    "fast sawtooth that leaks": ([100 + (i % 20) + i / 400 for i in range(DAY)], None),
    "cache that filled": ([100 + min(i / 100, 30) for i in range(DAY)], Shape.PLATEAU),
    "spikes": ([100 + (50.0 if i % 1800 < 20 else 0) for i in range(DAY)], Shape.SPIKY),
}


@pytest.mark.parametrize("name", LONG)
def test_trends_survive_thinning(name):
    values, expected = LONG[name]
    found = classify([(t, v * 2**20) for t, v in filled(values).points()])
    assert found.grows is ("leak" in name), found
    assert expected is None or found.shape is expected, found


def growing(per_s: float, low: float, high: float) -> Trend:
    return Trend(Shape.STEADY_GROWTH, Rate(per_s, low, high), "", 100, 100.0)


def test_forecast():
    found = forecast(growing(2.0, 1.0, 4.0), now=100.0, limit=300.0)
    assert found is not None
    assert (found.expected_s, found.soonest_s, found.latest_s) == (100.0, 50.0, 200.0)
    assert forecast(growing(2.0, -1.0, 4.0), 100.0, 300.0).latest_s is None


def test_what_is_already_over_its_limit_arrives_now():
    assert forecast(growing(2.0, 1.0, 4.0), now=400.0, limit=300.0).expected_s == 0.0


def test_what_does_not_grow_never_arrives():
    still = Trend(Shape.PLATEAU, Rate(2.0, 1.0, 3.0), "", 100, 100.0)
    assert forecast(still, 0.0, 10.0) is None
