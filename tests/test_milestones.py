"""Growth per mark: marks of the same words belong together, and cost bounded memory."""

from __future__ import annotations

import itertools

import pytest

from leakaudit.process.milestones import MOST_GROUPS, Mark, Milestones, group_of
from leakaudit.process.trend import Shape

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("round 7", "round"),
        ("round #7 of 12", "round of"),
        ("job 0x7f3a done", "job done"),
        ("req-17", "mark"),
        ("epoch=3 train", "train"),
        ("", "mark"),
        ("warm up", "warm up"),
    ],
)
def test_numbers_do_not_make_a_group(text: str, group: str) -> None:
    assert group_of(text) == group


def marked(count: int, grows: float, lost: int = 0) -> Milestones:
    rss = itertools.count()
    found = Milestones(lambda _: 50 * MIB + grows * next(rss))
    for i in range(count):
        found.add(Mark(float(i * i), 7, f"round {i}", lost))  # uneven in time, even per round
    return found


def test_growth_per_round_is_what_each_round_leaves() -> None:
    (found,) = marked(60, 1.5 * MIB).outcomes()
    assert (found.group, found.marks, found.pid) == ("round", 60, 7)
    assert found.rate.per_s == pytest.approx(1.5 * MIB)
    assert found.trend.shape is Shape.STEADY_GROWTH


def test_few_rounds_have_a_slope_and_no_trend() -> None:
    (found,) = marked(6, MIB).outcomes()
    assert found.rate.per_s == pytest.approx(MIB)
    assert found.trend.shape is Shape.INCONCLUSIVE


def test_marks_that_were_lost_count() -> None:
    (found,) = marked(40, 3 * MIB, lost=2).outcomes()
    assert found.marks == 120
    assert found.rate.per_s == pytest.approx(MIB)


def test_steady_program_grows_nothing_per_round() -> None:
    (found,) = marked(60, 0.0).outcomes()
    assert not found.trend.grows
    assert found.rate.per_s == 0


def test_what_grows_comes_first_and_processes_are_kept_apart() -> None:
    sizes = {1: 10 * MIB, 2: 10 * MIB}
    found = Milestones(lambda pid: float(sizes[pid]))
    for i in range(50):
        found.add(Mark(float(i), 1, f"idle {i}"))
        sizes[2] += MIB
        found.add(Mark(float(i), 2, f"busy {i}"))
    assert [(each.pid, each.group) for each in found.outcomes()] == [(2, "busy"), (1, "idle")]


def test_texts_without_end_cost_bounded_memory() -> None:
    found = Milestones(lambda _: 1.0)
    words = ("".join(letters) for letters in itertools.product("abcdefghij", repeat=3))
    for i, word in enumerate(words):
        found.add(Mark(float(i), 1, word))
    assert len(list(found.outcomes())) == MOST_GROUPS


def test_process_that_is_gone_has_no_size() -> None:
    found = Milestones(lambda _: None)
    assert found.add(Mark(0.0, 1, "round 1")) is None
    assert list(found.outcomes()) == []
