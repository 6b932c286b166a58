"""What counts do: grow, fill up, come and go, or cannot be told yet."""

from __future__ import annotations

from itertools import accumulate, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakaudit.runtime.growth import Course, assess, low_water

counts = st.lists(st.integers(0, 10_000), min_size=1, max_size=60)


def series(values, step=1.0, start=0.0):
    return [(start + step * i, value) for i, value in enumerate(values)]


def course(values, **more):
    return assess(series(values), **more).course


def test_steady_rise_grows_at_its_rate():
    found = assess(series(range(0, 100, 5), step=2.0))
    assert found.course is Course.GROWS
    assert found.rate == pytest.approx(2.5)
    assert (found.first, found.last, found.samples) == (0, 95, 20)


def test_rise_of_one_entry_now_and_then_grows():
    assert course([i // 4 for i in range(24)]) is Course.GROWS


def test_growing_sawtooth_grows():
    values = [i + 30 * (i % 5) for i in range(40)]
    assert course(values) is Course.GROWS


def test_warm_up_that_stopped_is_settled():
    found = assess(series([0, 10, 20, 30, *[30] * 12]))
    assert found.course is Course.SETTLED
    assert "stopped" in found.reason


def test_warm_up_that_slows_down_is_not_called_growth():
    values = [1000 - 1000 // (i + 1) for i in range(20)]
    assert course(values) is Course.UNCLEAR


def test_one_step_is_not_called_growth():
    found = assess(series([1, 1, 1, 1, 2, 2, 2, 90, 91, 91, 91, 91]))
    assert found.course is not Course.GROWS


def test_a_warm_up_that_has_just_ended_is_not_called_growth():
    found = assess(series([*range(0, 800, 50), 800, 800, 800, 800], step=3.0))
    assert found.course is Course.UNCLEAR
    assert "last" in found.reason


def uneven(duration, pace):
    """Return times as an audit samples: the pauses differ, so that no cycle is seen in one moment only."""
    pauses = (pace * (0.5 + i * 0.6180339887 % 1) for i in range(1, 10**6))
    return list(takewhile(lambda t: t < duration, accumulate(pauses)))


@pytest.mark.parametrize("period", [2.0, 3.0, 5.0, 7.0, 10.0, 13.0, 20.0])
@pytest.mark.parametrize("shape", ["sawtooth", "triangle", "drained"])
def test_waves_do_not_grow_whenever_one_begins_to_watch(shape, period):
    def value(t):
        part = t % period / period
        return round(1000 * {"sawtooth": part, "triangle": abs(2 * part - 1), "drained": 1 - part}[shape])

    called = [assess([(t, value(t + period * i / 40)) for t in uneven(60.0, 3.0)]).course for i in range(40)]
    assert Course.GROWS not in called


@pytest.mark.parametrize("begun", [0.5, 3.0, 7.0])
def test_a_cache_that_is_swept_now_and_then_is_not_called_growth_because_it_warmed_up(begun):
    def entries(t):
        swept = t // 10 * 10
        return round(100 * (t - max(0.0, swept - 8)))

    assert assess([(t, entries(t + begun)) for t in [0.0, *uneven(60.0, 3.0)]]).course is not Course.GROWS


def test_a_rise_that_is_less_than_a_fall_in_between_has_to_be_watched_longer():
    values = [100 + i + (80 if i % 3 == 0 and i < 12 else 0) for i in range(20)]
    found = assess(series(values))
    assert found.course is Course.UNCLEAR
    assert "fell" in found.reason
    longer = [100 + i + (80 if i % 3 == 0 and i < 12 else 0) for i in range(round(30 + found.needs_s))]
    assert assess(series(longer)).course is Course.GROWS


def test_pool_that_comes_and_goes_does_not_grow():
    assert course([3, 8, 2, 9, 4, 8, 3, 7, 2, 8]) is Course.WAVES


def test_cache_that_is_cleared_again_and_again_is_emptied_at_its_peak():
    found = assess(series([i % 6 * 20 for i in range(30)]))
    assert found.course is Course.EMPTIED
    assert "100" in found.reason


def test_container_at_its_own_limit_is_full():
    found = assess(series([60, 80, 100, 100, 100]), limit=100)
    assert found.course is Course.FULL
    assert "limit of 100" in found.reason


def test_container_on_its_way_to_its_own_limit_does_not_leak():
    assert course(range(10, 60, 5), limit=1000) is Course.FULL


def test_container_beyond_the_limit_that_it_claims_grows():
    assert course(range(10, 60, 5), limit=12) is Course.GROWS


def test_constant_length_with_changing_first_entry_evicts():
    assert course([10] * 8, marks=[1, 2, 3, 4, 5, 6, 7, 8]) is Course.FULL
    assert course([10] * 8, marks=[1] * 8) is Course.FLAT


def test_filled_up_and_evicting_is_full_not_settled():
    values = [2, 4, 6, 8, *[10] * 12]
    assert course(values, marks=[1] * 5 + list(range(2, 13))) is Course.FULL


def test_too_few_samples_say_how_much_longer():
    found = assess(series([1, 5, 9], step=2.0))
    assert found.course is Course.UNCLEAR
    assert found.needs_s == pytest.approx(2.0)


def test_few_rises_say_how_much_longer():
    found = assess(series([1, 1, 1, 1, 2, 2, 2, 2, 3, 3]))
    assert found.course is Course.UNCLEAR
    assert found.needs_s is not None
    assert found.needs_s > 0


def test_nothing_seen_is_unclear():
    assert assess([]).course is Course.UNCLEAR


@given(counts)
def test_low_water_never_falls_and_never_exceeds(values):
    marks = low_water(values)
    assert marks == sorted(marks)
    assert all(mark <= value for mark, value in zip(marks, values, strict=True))
    assert marks[-1] == values[-1]


@given(st.integers(0, 1000), st.integers(4, 60))
def test_constant_never_grows(value, samples):
    assert course([value] * samples) is Course.FLAT


@given(st.integers(1, 100), st.integers(8, 60), st.floats(0.1, 60))
def test_line_always_grows_at_its_slope(slope, samples, step):
    found = assess(series([slope * i for i in range(samples)], step))
    assert found.course is Course.GROWS
    assert found.rate == pytest.approx(slope / step)


@given(counts, st.integers(0, 20_000))
def test_within_its_limit_never_grows(values, room):
    assert course(values, limit=max(values) + room + 1) is not Course.GROWS


@given(counts)
def test_what_comes_back_to_its_first_value_never_grows(values):
    assert course([*values, min(values)]) is not Course.GROWS


@given(counts, st.sampled_from([0.25, 0.5, 2.0, 8.0, 64.0]), st.integers(-10, 10).map(float))  # no rounding
def test_time_scales_the_rate_and_not_the_course(values, scale, start):
    one, other = assess(series(values)), assess(series(values, step=scale, start=start))
    assert one.course is other.course
    assert other.rate * scale == pytest.approx(one.rate)


@given(st.lists(st.integers(1, 50), min_size=12, max_size=40))
def test_any_rise_at_every_sample_is_growth_or_doubted_aloud(steps):
    values = [sum(steps[: i + 1]) for i in range(len(steps))]
    found = assess(series(values))
    assert found.course in (Course.GROWS, Course.UNCLEAR)
    assert found.reason
