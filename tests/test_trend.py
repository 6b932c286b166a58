"""Trends: every shape by hand, invariances, and the recorded programs as a regression."""

from __future__ import annotations

import json
import math
from itertools import accumulate
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakaudit.process.growth import growth
from leakaudit.process.marks import cycles, low_marks
from leakaudit.process.rate import rate, theil_sen
from leakaudit.process.trend import FLOOR_COUNT, Shape, classify

TRACES = sorted((Path(__file__).parent / "data" / "traces").glob("*-py*.json"))
MIB = 1024.0 * 1024.0


def noise(n: int, sd: float = 0.5, seed: int = 1) -> list[float]:
    rng = Random(seed)
    return [rng.gauss(0, sd) for _ in range(n)]


def series(*parts: list[float]) -> list[tuple[float, float]]:
    return [(float(i), (100 + sum(values)) * MIB) for i, values in enumerate(zip(*parts, strict=True))]


def line(n: int, total: float) -> list[float]:
    return [total * i / n for i in range(n)]


def saw(n: int, period: int, height: float) -> list[float]:
    return [height * (i % period) / period for i in range(n)]


N = 240
BY_HAND = {
    "flat": ([0.0] * N, Shape.STABLE),
    "noise": (noise(N), Shape.STABLE),
    "leak": ([a + b for a, b in zip(noise(N), line(N, 30), strict=True)], Shape.STEADY_GROWTH),
    "leak without noise": (line(N, 30), Shape.STEADY_GROWTH),
    "leak in even lumps": ([float(i // 10) for i in range(N)], Shape.STEADY_GROWTH),
    "leak behind a warm-up": (
        [
            40 * (1 - math.exp(-i / 8)) + a + b
            for i, (a, b) in enumerate(zip(line(N, 30), noise(N), strict=True))
        ],
        Shape.STEADY_GROWTH,
    ),
    "leak under spikes": (
        [a + (50.0 if i % 40 in (7, 8) else 0.0) for i, a in enumerate(line(N, 30))],
        Shape.STEADY_GROWTH,
    ),
    "warm-up": ([40 * (1 - math.exp(-i / 15)) + x for i, x in enumerate(noise(N))], Shape.PLATEAU),
    "cache that filled": ([min(i * 0.5, 30.0) for i in range(N)], Shape.PLATEAU),
    "one step": ([0.0 if i < 100 else 20.0 for i in range(N)], Shape.STEP),
    "sawtooth": ([a + b for a, b in zip(saw(N, 16, 20), noise(N), strict=True)], Shape.SAWTOOTH),
    "sawtooth that leaks": (
        [a + b for a, b in zip(saw(N, 16, 20), line(N, 30), strict=True)],
        Shape.GROWING_SAWTOOTH,
    ),
    "spikes": ([60.0 if i % 50 in (3, 4) else 0.0 for i in range(N)], Shape.SPIKY),
    "one hump": ([20 * max(0.0, 1 - abs(1 - i / 80)) for i in range(N)], Shape.SPIKY),
    "faster and faster": ([60 * (i / N) ** 2 for i in range(N)], Shape.ACCELERATING),
    "two long cycles": (saw(N, 95, 30), Shape.INCONCLUSIVE),
    "cache that still fills": ([4 * math.sqrt(i) for i in range(N)], Shape.INCONCLUSIVE),
    "falling": (line(N, -30), Shape.STABLE),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_shapes_by_hand(name):
    values, expected = BY_HAND[name]
    found = classify(series(values))
    assert found.shape is expected, found
    assert found.samples == N
    assert found.span_s == N - 1
    assert found.grows is expected.grows
    assert (found.needs_s is not None) is (expected is Shape.INCONCLUSIVE)


def test_the_rate_and_its_interval_hold_the_truth():
    found = classify(series(noise(N), line(N, 30)))
    true = 30 * MIB / N
    assert found.rate.low <= true <= found.rate.high
    assert found.rate.per_s == pytest.approx(true, rel=0.1)
    assert found.rate.high - found.rate.low < true


def test_too_few_samples_say_how_long_to_wait():
    found = classify([(i * 0.5, i % 3 * MIB) for i in range(12)])
    assert found.shape is Shape.INCONCLUSIVE
    assert found.reason == "12 samples, 32 are needed"
    assert found.needs_s == pytest.approx(10.0)


def test_growth_that_is_plain_needs_few_samples():
    # 29 to 52 MiB in a minute, as the audit of a busy server saw it, one sample in three seconds.
    found = classify([(3.0 * i, (29 + 23 * i / 20 + 0.4 * (i % 3)) * MIB) for i in range(20)])
    assert found.shape is Shape.STEADY_GROWTH
    assert found.rate.low <= 23 * MIB / 60 <= found.rate.high
    assert found.needs_s is None
    assert not classify([(3.0 * i, (29 + i) * MIB) for i in range(11)]).grows


def test_few_samples_that_do_not_move_are_stable():
    values = [30 * MIB + 4096 * (i % 5) for i in range(12)]
    assert classify([(3.0 * i, v) for i, v in enumerate(values)]).shape is Shape.STABLE
    assert classify([(3.0 * i, v) for i, v in enumerate(values[:11])]).shape is Shape.INCONCLUSIVE


@pytest.mark.parametrize(
    "values",
    [
        [20 * (1 - math.exp(-i / 6)) for i in range(20)],  # a warm-up
        [min(i, 13.0) for i in range(20)],  # a cache that filled
        [0.0 if i < 9 else 20.0 for i in range(20)],
        [2.0 * (i % 7) for i in range(20)],
        [5.0 * (i // 5) for i in range(20)],  # steps, or lumps: more samples tell
        [i * 0.04 for i in range(20)],  # too little
        [a + 3 * b for a, b in zip(range(20), noise(20, 2), strict=True)],
    ],
)
def test_few_samples_that_are_not_plain_stay_inconclusive(values):
    found = classify([(3.0 * i, (30 + v) * MIB) for i, v in enumerate(values)])
    assert found.shape is Shape.INCONCLUSIVE
    assert found.reason == "20 samples, 32 are needed"


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)], [(0.0, 1.0)] * 40])
def test_degenerate_series(points):
    found = classify(points)
    assert not found.grows
    assert found.rate.per_s == 0.0


def test_too_few_cycles_say_how_long_to_wait():
    found = classify(series(saw(N, 70, 30)))
    assert found.shape is Shape.INCONCLUSIVE
    assert found.reason == "3 cycles seen, 5 are needed"
    assert found.needs_s == pytest.approx(140, abs=10)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([10 + i for i in range(13)], Shape.STEADY_GROWTH),
        ([10 + 7 * i for i in range(8)], Shape.STEADY_GROWTH),
        ([min(10 + i, 15) for i in range(13)], Shape.PLATEAU),
        ([50] * 13, Shape.STABLE),
        ([50, 51] * 6, Shape.STABLE),
        ([100 + i % 5 * 10 for i in range(60)], Shape.SAWTOOTH),
        ([100 + i % 5 * 10 + i // 5 for i in range(60)], Shape.GROWING_SAWTOOTH),
    ],
)
def test_exact_counts_need_few_samples(counts, expected):
    points = [(5.0 * i, float(c)) for i, c in enumerate(counts)]
    assert classify(points, FLOOR_COUNT, exact=True).shape is expected


values = st.lists(st.floats(0, 1e9), min_size=2, max_size=130)


@settings(max_examples=60, deadline=None)
@given(values, st.floats(0.5, 1e6))
def test_it_never_fails_and_ignores_the_level(ys, floor):
    points = [(float(i), y) for i, y in enumerate(ys)]
    found = classify(points, floor)
    assert found.rate.low <= found.rate.per_s <= found.rate.high
    # A level that is exact in binary, so that only the level changes.
    raised = classify([(t, math.floor(v) + 2.0**31) for t, v in points], floor)
    assert raised.shape is classify([(t, float(math.floor(v))) for t, v in points], floor).shape


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(-8, 8), st.integers(-6, 6))
def test_units_do_not_matter(seed, scale, pace):
    rng = Random(seed)
    base = list(accumulate(max(0.0, rng.gauss(0.3, 1.0)) for _ in range(120)))
    points = [(float(i), v) for i, v in enumerate(base)]
    k, p = 2.0**scale, 2.0**pace
    first = classify(points, 1.0)
    second = classify([(t * p, v * k) for t, v in points], k)
    assert second.shape is first.shape
    assert second.rate.per_s == pytest.approx(first.rate.per_s * k / p)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(5, 500))
def test_a_clean_leak_of_any_size_grows_and_its_mirror_does_not(seed, total):
    rng = Random(seed)
    values = [100 + total * i / 200 + rng.gauss(0, total / 200) for i in range(200)]
    up = [(float(i), v * MIB) for i, v in enumerate(values)]
    down = [(float(i), v * MIB) for i, v in enumerate(reversed(values))]
    assert classify(up).grows
    assert not classify(down).grows


def load(path: Path, key: str = "rss_kib", unit: float = 1024.0) -> list[tuple[float, float]]:
    return points_of(json.loads(path.read_text()), key, unit)


def points_of(trace: dict, key: str = "rss_kib", unit: float = 1024.0) -> list[tuple[float, float]]:
    return [(i * trace["interval_s"], v * unit) for i, v in enumerate(accumulate(trace[key]))]


def test_recorded_programs():
    # The figures of docs/trends.md over all traces; a better rule may move them, a worse one must not.
    truth = {path.stem: json.loads(path.read_text())["leaks"] for path in TRACES}
    found = {path.stem: classify(load(path)) for path in TRACES}
    assert len(truth) >= 140
    alarms = [name for name, leaks in truth.items() if not leaks and found[name].grows]
    missed = [
        name
        for name, leaks in truth.items()
        if leaks and not found[name].grows and found[name].shape is not Shape.INCONCLUSIVE
    ]
    # What a leak puts into memory that spikes have left behind does not show in RSS.
    assert {name.rpartition("-")[0] for name in missed} <= {"leak_under_spikes"}
    # An allocator that still settles, and a cache that still fills.
    assert {name.rpartition("-")[0] for name in alarms} <= {"compressor", "zipf_bounded_cache"}
    assert len(alarms) <= 3, alarms
    leaking = [name for name, leaks in truth.items() if leaks]
    assert sum(found[name].grows for name in leaking) >= 0.9 * len(leaking)


def test_recorded_services_and_harder_programs():
    folder = TRACES[0].parent
    lines = [json.loads(x) for path in folder.glob("*-py*.jsonl") for x in path.read_text().splitlines()]
    truth = json.loads((folder / "services-truth.json").read_text())
    said = []
    for line in lines:
        span = line["interval_s"] * (len(line["rss_kib"]) - 1)
        leaked = span * truth.get(line["program"], line.get("leaked_bytes_per_s"))
        if not line["leaks"] or leaked >= MIB:
            said.append((line["leaks"], classify(points_of(line))))
    steady = [trend for leaks, trend in said if not leaks]
    leaking = [trend for leaks, trend in said if leaks]
    assert len(steady) >= 190
    assert len(leaking) >= 150
    assert sum(trend.grows for trend in steady) <= 0.02 * len(steady)
    assert sum(trend.grows for trend in leaking) >= 0.95 * len(leaking)


@pytest.mark.parametrize(("program", "key"), [("sockets_kept_open", "fds"), ("parked_threads", "threads")])
def test_recorded_counts_of_threads_and_descriptors(program, key):
    paths = [path for path in TRACES if path.stem.rpartition("-")[0] == program]
    assert paths
    for path in paths:
        assert classify(load(path, key, 1.0), FLOOR_COUNT, exact=True).grows


def test_theil_sen_ignores_a_third_of_wild_points():
    times = [float(i) for i in range(30)]
    values = [2 * t + (1000 if i % 4 == 0 else 0) for i, t in enumerate(times)]
    assert theil_sen(times, values) == pytest.approx(2.0)
    assert theil_sen([1.0], [5.0]) == 0.0


def test_the_interval_is_wide_for_lumps_and_narrow_for_noise():
    times = [float(i) for i in range(24)]
    lumps = [10.0 * (i // 4) for i in range(24)]
    wiggle = [2.0 * i + (0.5 if i % 2 else -0.5) for i in range(24)]
    wide, narrow = rate(times, lumps), rate(times, wiggle)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert narrow.low <= 2.0 <= narrow.high


def test_growth_gathers_rises_that_are_too_small_alone():
    found = growth([0, 1, 2, 3, 4, 5, 6], least=2)
    assert (found.rises, found.total) == (3, 6)
    assert growth([5], least=1).total == 0
    assert growth([0, 4, 4, 4, 4], least=1).final_pause == 0.75
    assert growth([0, 0, 0, 0, 4], least=1).pause == 0.75
    assert growth([0, 1, 3], least=1).ratio == 2.0


def test_cycles_and_their_troughs():
    points = [(float(i), v) for i, v in enumerate(saw(100, 20, 10))]
    found = cycles(points, 1.0)
    assert [t for t, _ in found.troughs] == [20, 40, 60, 80]
    assert found.period_s == 20
    assert 9 <= found.height <= 10
    assert cycles([(float(i), float(i)) for i in range(50)], 1.0).troughs == ()


def test_low_marks_are_the_lowest_points_of_their_cells():
    points = [(float(i), 10.0 - i % 5) for i in range(20)]
    found = low_marks(points, 4)
    assert found.lows == (6.0, 6.0, 6.0, 6.0)
    assert found.times == (4.0, 9.0, 14.0, 19.0)
    assert found.envelope == found.lows
