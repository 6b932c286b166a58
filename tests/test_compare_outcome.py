"""What runs come to: figures, ratios, effects, and expectations."""

from __future__ import annotations

import random

import pytest
from compare_samples import MIB, compared, recording, settings

from leakaudit.errors import UsageError
from leakaudit.process.compare.expect import check, parse_expectation
from leakaudit.process.compare.figures import Reading, figures, without_exit, without_leaving
from leakaudit.process.compare.helped import effects
from leakaudit.process.compare.outcome import outcomes
from leakaudit.process.compare.ratio import ratio
from leakaudit.process.compare.recording import Ending, Recording, Snapshot
from leakaudit.process.trend import Shape

VALUES = {"MODE": ("a", "b", "")}


def test_figures_of_a_run() -> None:
    run = figures(recording("x", "growing"), Reading())
    assert run.trend.shape is Shape.STEADY_GROWTH
    assert run.trend.rate.per_s == pytest.approx(10 * MIB, rel=0.02)
    assert run.peak == pytest.approx(169.5 * MIB, rel=0.01)
    assert run.end == pytest.approx(164 * MIB, rel=0.01)


def test_the_kernels_own_peak_counts_where_it_is_higher() -> None:
    snapshots = (Snapshot(0.0, 10, 1, 10), Snapshot(0.1, 20, 2, 99), Snapshot(0.2, 20, 1, 99))
    run = figures(Recording("x", 1, snapshots, Ending(0, 0.3)), Reading())
    assert (run.peak, run.processes) == (99, 2)


def test_the_exit_does_not_hide_growth() -> None:
    grown = [(i / 20, 50.0 + i) for i in range(200)]
    leaving = [(10.0, 180.0), (10.05, 90.0), (10.1, 20.0)]
    assert without_exit([*grown, *leaving]) == grown
    assert without_exit(grown) == grown


def test_processes_that_leave_one_by_one_do_not_hide_growth() -> None:
    grown = tuple(Snapshot(i / 20, (50 + i) * MIB, 4, 0) for i in range(200))
    leaving = tuple(Snapshot(10 + i / 20, 40 * (4 - i // 8) * MIB, 4 - i // 8, 0) for i in range(8, 32))
    assert without_leaving((*grown, *leaving)) == grown
    run = figures(Recording("x", 1, (*grown, *leaving), Ending(0, 12.0)), Reading())
    assert run.trend.shape is Shape.STEADY_GROWTH
    assert run.end > 230 * MIB


def test_a_phase_with_fewer_processes_is_no_leaving() -> None:
    phases = tuple(Snapshot(i / 20, 50 * MIB, 4 if i < 100 else 1, 0) for i in range(180))
    assert without_leaving(phases) == phases
    assert without_leaving(()) == ()


def test_a_fall_before_the_end_is_no_exit() -> None:
    points = [(float(i), 100.0 if i < 50 else 20.0) for i in range(100)]
    assert without_exit(points) == points


@pytest.mark.parametrize("reading", [Reading(warmup_s=4.0), Reading(warmup_share=1 / 3)])
def test_the_warm_up_is_left_out(reading: Reading) -> None:
    snapshots = tuple(Snapshot(i / 20, (i if i < 80 else 80) * MIB, 1, 0) for i in range(240))
    run = Recording("x", 1, snapshots, Ending(0, 12.0))
    assert figures(run, Reading()).trend.shape is not Shape.STABLE
    assert figures(run, reading).trend.shape is Shape.STABLE


def test_the_floor_decides_what_is_worth_a_word() -> None:
    run = recording("x", "sawtooth")
    assert figures(run, Reading()).trend.shape is Shape.SAWTOOTH
    assert figures(run, Reading(floor=21 * MIB)).trend.shape is Shape.STABLE


def test_a_ratio_and_its_interval() -> None:
    found = ratio([2.0, 2.02, 1.98], [1.0, 1.01, 0.99])
    assert found is not None
    assert found.value == pytest.approx(2.0, rel=0.001)
    assert found.low is not None
    assert found.high is not None
    assert 1.95 < found.low < 2.0 < found.high < 2.05


def test_one_run_has_no_interval_and_none_has_no_ratio() -> None:
    found = ratio([2.0], [1.0, 1.1])
    assert found is not None
    assert (found.low, found.high, found.below, found.above) == (None, None, False, False)
    assert ratio([], [1.0]) is None
    assert ratio([0.0], [1.0]) is None


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    source = random.Random(1)
    held = 0
    for _ in range(1000):
        values = [1.3 * source.lognormvariate(0, 0.05) for _ in range(3)]
        base = [source.lognormvariate(0, 0.02) for _ in range(3)]
        found = ratio(values, base)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1.3 <= found.high
    assert 860 <= held <= 980  # 90 % are asked for


def test_a_failed_run_is_told_and_not_averaged() -> None:
    found = settings("MODE=a,b")
    runs = [
        recording("MODE=a", "stable"),
        recording("MODE=b", "stable"),
        recording("MODE=b", "growing", 2, code=3),
    ]
    outcome = outcomes(found, runs, Reading())[1]
    assert [run.repeat for run in outcome.runs] == [1]
    assert outcome.median("peak") < 60 * MIB
    assert [failure.told for failure in outcome.failures] == ["ended with exit code 3"]


def test_a_run_too_short_to_be_sampled_is_told() -> None:
    unseen = Recording("MODE=a", 1, (), Ending(0, 0.01), usable=False)
    (outcome,) = outcomes(settings("MODE=a"), [unseen], Reading())
    assert (outcome.runs, outcome.failures) == ((), (unseen,))
    assert unseen.told == "ended with exit code 0 before it could be sampled"


def test_effects_hold_everything_else_equal() -> None:
    both = settings("SIZE=small,large", "MODE=a,b")
    size, mode = {"small": 1.0, "large": 3.0}, {"a": 1.0, "b": 0.8}
    runs = [
        recording(s.name, "stable", n, size[s.values[0][1]] * mode[s.values[1][1]] * (1 + n / 500))
        for s in both
        for n in (1, 2, 3)
    ]
    found = {(e.value, e.figure): e for e in effects(outcomes(both, runs, Reading()))}
    assert found["large", "peak"].ratio.value == pytest.approx(3.0, rel=0.001)
    assert found["large", "peak"].better is False
    assert found["b", "peak"].ratio.value == pytest.approx(0.8, rel=0.001)
    assert found["b", "peak"].better is True
    assert found["b", "time"].better is None


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("MODE=a:growing", True),
        ("MODE=a:steady-growth", True),
        ("MODE=a:stable", False),
        ("MODE=a:bounded", False),
        ("MODE=b:sawtooth", True),
        ("MODE=b:stable|sawtooth", True),
        ("MODE=b:bounded", True),
        ("MODE=b:peak<0.5x", True),
        ("MODE=b:peak<0.3x", False),
        ("MODE=b:peak<80MiB", True),
        ("MODE=b:end>80MiB", False),
        ("MODE=a:rate>9MiB/s", True),
        ("MODE=a:rate<9MiB/s", False),
        ("MODE=b:time<13", True),
        ("time<1.1x", True),
    ],
)
def test_expectations(text: str, met: bool) -> None:
    found = compared(("growing",) * 3, ("sawtooth",) * 3)
    checks = check([parse_expectation(text, {"MODE": ("a", "b")})], found)
    assert [one.met for one in checks] == [met] * len(checks)
    assert len(checks) == (1 if "MODE" in text else 2)


def test_most_runs_decide() -> None:
    two_of_three = compared(("growing", "growing", "stable"))
    one_of_two = compared(("growing", "stable"))
    expected = [parse_expectation("growing", {"MODE": ("a",)})]
    assert [c.met for c in check(expected, two_of_three)] == [True]
    assert [c.met for c in check(expected, one_of_two)] == [False]


def test_a_ratio_is_to_what_differs_only_in_what_is_named() -> None:
    both = settings("SIZE=small,large", "MODE=a,b")
    runs = [
        recording(
            s.name, "stable", 1, {"small": 1.0, "large": 3.0}[s.values[0][1]] * (0.8 if "b" in s.name else 1)
        )
        for s in both
    ]
    expected = parse_expectation("MODE=b:peak<0.81x", {"SIZE": ("small", "large"), "MODE": ("a", "b")})
    assert [c.met for c in check([expected], outcomes(both, runs, Reading()))] == [True, True]


def test_a_setting_without_a_good_run_fails_its_expectation() -> None:
    found = settings("MODE=a,b")
    runs = [recording("MODE=a", "stable"), recording("MODE=b", "growing", code=1)]
    (one,) = check(
        [parse_expectation("MODE=b:growing", {"MODE": ("a", "b")})], outcomes(found, runs, Reading())
    )
    assert (one.met, one.found) == (False, "no run ended well")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("OTHER=1:growing", "not varied"),
        ("MODE=c:growing", "never `c`"),
        ("MODE=a:rising", "neither a trend nor a limit"),
        ("MODE=a:size<3MB", "no figure `size`"),
        ("MODE=a:rate<2x", "rate"),
        ("MODE=a:time<3MB", "no unit of time"),
        ("MODE=a:peak<3parsec", "not a size"),
    ],
)
def test_an_expectation_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_expectation(text, VALUES)
