"""Verdicts: which status, which rates, which share, and what the reason says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from runtime_target import finding

from leakaudit.findings import Status
from leakaudit.runtime.census import Census, Sized
from leakaudit.runtime.sample import Row, Sample
from leakaudit.runtime.verdict import Count, Watched, course, suspicious, verdicts

CACHE = finding("module-attribute", "CACHE")
CELL = finding("closure-cell", "updates", "subscribe")
ITEMS = finding("instance-attribute", "items", "Basket")


def row(entries, *, holders=1, nested=None, largest=None, size=0, limit=None, mark=0, fresh=True):
    return Row(holders, entries, nested, entries if largest is None else largest, size, limit, mark, fresh)


def samples(*tracks, unresolved=None, partial=""):
    """Return samples two seconds apart; each track is the rows of one probe, None where it was not found."""
    length = len(tracks[0]) if tracks else 5
    return tuple(
        Sample(
            t=2.0 * i,
            blocks=1000,
            threads=1,
            rows={number: track[i] for number, track in enumerate(tracks) if track[i] is not None},
            unresolved=unresolved or {},
            types={},
            partial=partial,
            pause_ms=1.0,
            cpu_ms=1.0,
            own_bytes=1,
        )
        for i in range(length)
    )


def count_census(t, live, sizes, parts=None):
    """Return a census; `sizes` maps probe -> (retained bytes, probes held), `parts` are what sets of probes hold."""
    containers = {
        n: Sized(1, 10, size, size, tuple(holds), ("module m", "m.CACHE"), group=n)
        for n, (size, holds) in sizes.items()
    }
    alone = [((n,), size) for n, (size, _) in sizes.items()]
    parts = tuple((frozenset(numbers), size) for numbers, size in (alone if parts is None else parts))
    return Census(
        t=t, live=live, free=0, objects=1, containers=containers, types={}, named_bytes=None, parts=parts
    )


def one(item, rows, **more):
    (verdict,) = verdicts([item], Watched(samples(rows), **more))
    return verdict


def test_growth_is_confirmed_with_its_rate():
    verdict = one(CACHE, [row(10 * i) for i in range(10)])
    assert verdict.status is Status.CONFIRMED
    assert verdict.entries_per_s == pytest.approx(5.0)
    assert verdict.entries == (0, 90)
    assert verdict.samples == 10


def test_bytes_and_share_come_from_the_censuses():
    first, last = (
        count_census(0.0, 1_000_000, {0: (1000, [])}),
        count_census(10.0, 1_200_000, {0: (101_000, [])}),
    )
    verdict = one(CACHE, [row(10 * i) for i in range(10)], first=first, last=last)
    assert verdict.bytes == (1000, 101_000)
    assert verdict.bytes_per_s == pytest.approx(10_000)
    assert verdict.share == pytest.approx(0.5)
    assert verdict.exact_bytes
    assert verdict.retaining_path == ("module m", "m.CACHE")


def test_a_container_that_the_first_census_did_not_see_began_with_nothing():
    first, last = count_census(0.0, 1_000_000, {}), count_census(10.0, 1_200_000, {0: (50_000, [])})
    assert one(CACHE, [row(10 * i) for i in range(10)], first=first, last=last).bytes == (0, 50_000)


def test_without_a_census_bytes_are_estimates_and_the_share_is_unknown():
    verdict = one(CACHE, [row(10 * i, size=1000 * i) for i in range(10)])
    assert verdict.bytes_per_s == pytest.approx(500)
    assert not verdict.exact_bytes
    assert verdict.share is None


def test_a_heap_that_did_not_grow_gives_no_share():
    first, last = (
        count_census(0.0, 1_000_000, {0: (1000, [])}),
        count_census(10.0, 1_000_100, {0: (2000, [])}),
    )
    assert one(CACHE, [row(10 * i) for i in range(10)], first=first, last=last).share is None


def test_a_share_is_never_above_one():
    first, last = (
        count_census(0.0, 1_000_000, {0: (0, [])}),
        count_census(10.0, 1_100_000, {0: (900_000, [])}),
    )
    assert one(CACHE, [row(10 * i) for i in range(10)], first=first, last=last).share == 1.0


def test_constant_length_is_not_growing():
    verdict = one(CACHE, [row(7, mark=1)] * 8)
    assert verdict.status is Status.NOT_GROWING
    assert "7 entries in all 8 samples" in verdict.reason


def test_a_full_container_is_bounded():
    assert one(CACHE, [row(50, limit=50)] * 8).status is Status.BOUNDED
    assert one(CACHE, [row(50, mark=i + 1) for i in range(8)]).status is Status.BOUNDED


def test_few_samples_are_inconclusive_and_say_how_much_longer():
    verdict = one(CACHE, [row(1), row(2), row(3)])
    assert verdict.status is Status.INCONCLUSIVE
    assert "watch it for 2 s more" in verdict.reason


def test_what_the_target_does_not_have_is_unresolved():
    (verdict,) = verdicts([CACHE], Watched(samples(unresolved={0: "the target has not loaded shop"})))
    assert verdict.status is Status.UNRESOLVED
    assert verdict.reason == "the target has not loaded shop"


def test_a_finding_without_a_probe_is_unresolved():
    (verdict,) = verdicts([replace(CACHE, probe=None)], Watched(samples()))
    assert verdict.status is Status.UNRESOLVED


def test_lists_inside_a_constant_dict_are_recognised():
    verdict = one(CACHE, [row(3, nested=5 * i) for i in range(10)])
    assert verdict.status is Status.CONFIRMED
    assert verdict.reason.startswith("what its entries hold")
    assert verdict.entries == (0, 45)


def test_growing_entries_win_over_what_they_hold():
    verdict = one(CACHE, [row(i, nested=5 * i) for i in range(10)])
    assert verdict.entries == (0, 9)


def test_entries_that_may_grow_win_over_what_they_hold():
    verdict = one(CACHE, [row(i, nested=5 * i) for i in range(1, 4)])
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.entries == (1, 3)


def test_closures_that_accumulate_with_small_cells_are_confirmed():
    verdict = one(CELL, [row(8 * i, holders=i, largest=8) for i in range(1, 11)])
    assert verdict.status is Status.CONFIRMED


def test_closures_that_accumulate_with_empty_cells_are_confirmed_by_their_number():
    verdict = one(CELL, [row(0, holders=i) for i in range(1, 11)])
    assert verdict.status is Status.CONFIRMED
    assert "closures that stay alive" in verdict.reason


def test_no_closure_alive_clears_the_finding():
    verdict = one(CELL, [row(0, holders=0)] * 6)
    assert verdict.status is Status.NOT_GROWING
    assert "none of its closures was alive" in verdict.reason


def test_closures_are_compared_only_between_full_searches():
    rows = [row(10 if i % 2 else 10 * i, fresh=not i % 2) for i in range(12)]
    verdict = one(CELL, rows)
    assert verdict.samples == 6
    assert verdict.status is Status.CONFIRMED


def test_more_instances_of_constant_size_do_not_confirm_the_attribute():
    verdict = one(ITEMS, [row(3 * i, holders=i, largest=3) for i in range(1, 12)])
    assert verdict.status is Status.NOT_GROWING
    assert "the instances do: 1 to 11" in verdict.reason


def test_one_growing_instance_among_changing_ones_is_confirmed():
    rows = [row(10 * i + i % 2, holders=1 + i % 2, largest=10 * i) for i in range(1, 12)]
    assert one(ITEMS, rows).status is Status.CONFIRMED


def test_the_limit_of_each_is_not_the_limit_of_all():
    rows = [row(40 + 10 * i, holders=1, largest=40 + 10 * i, limit=30) for i in range(10)]
    assert one(CACHE, rows).status is Status.CONFIRMED


GROWS = [row(10 * i) for i in range(10)]


def nested(status=GROWS, size=120_000):
    """Return verdicts on a container and on one inside it that has all but 30,000 of its bytes."""
    first = count_census(0.0, 1_000_000, {0: (0, [1]), 1: (0, [])})
    last = count_census(
        10.0, 1_200_000, {0: (30_000 + size, [1]), 1: (size, [])}, [((0,), 30_000), ((0, 1), size)]
    )
    return verdicts([CACHE, CELL], Watched(samples(GROWS, status), first, last))


def test_a_container_in_another_shares_with_it_and_nothing_counts_twice():
    outer, inner = nested()
    assert "it holds target.subscribe.updates" in outer.reason
    assert "it is held by target.CACHE" in inner.reason
    assert (outer.bytes, inner.bytes) == ((0, 150_000), (0, 120_000))
    assert outer.share == pytest.approx(0.45)
    assert inner.share == pytest.approx(0.3)
    assert (outer.exclusive_bytes, inner.exclusive_bytes) == (30_000, 0)
    assert [(part.symbol, part.bytes) for part in outer.shared_with] == [
        ("target.subscribe.updates", 120_000)
    ]
    assert [(part.symbol, part.bytes) for part in inner.shared_with] == [("target.CACHE", 120_000)]


def test_a_container_inside_that_does_not_grow_takes_nothing():
    outer, inner = nested([row(5)] * 10)
    assert outer.share == pytest.approx(0.75)
    assert inner.share == 0
    assert outer.exclusive_bytes == 150_000
    assert outer.shared_with == ()
    assert "holds" not in outer.reason


def test_two_rules_on_one_container_say_so_and_both_tell_all_of_it():
    sized = Sized(1, 10, 100_000, None, (), (), group=0)
    first = count_census(0.0, 1_000_000, {})
    last = replace(count_census(10.0, 1_200_000, {0: (100_000, [])}), containers={0: sized, 1: sized})
    one, other = verdicts([CACHE, CELL], Watched(samples(GROWS, GROWS), first, last))
    assert one.share == other.share == pytest.approx(0.5)
    assert "names the same container" in one.reason


def test_without_a_census_shares_are_estimates_of_the_resident_growth():
    big, small = ([row(10 * i, size=n * i) for i in range(10)] for n in (40_000, 10_000))
    watched = Watched(samples(small, big), resident=(50e6, 50.9e6))
    one, other = verdicts([CACHE, CELL], watched)
    assert (one.share, other.share) == (pytest.approx(0.1), pytest.approx(0.4))
    assert not one.exact_bytes
    # What they gained together is more than the process grew: free memory was used again.
    one, other = verdicts([CACHE, CELL], replace(watched, resident=(50e6, 50.1e6)))
    assert (one.share, other.share) == (pytest.approx(0.2), pytest.approx(0.8))


def test_what_took_too_long_to_measure_is_estimated_and_has_a_share():
    def estimated(size):
        return Sized(1, 10, None, None, (), (), estimate=size)

    first = replace(count_census(0.0, 1_000_000, {}), containers={0: estimated(100_000)})
    last = replace(count_census(10.0, 1_200_000, {}), containers={0: estimated(200_000)})
    (verdict,) = verdicts([CACHE], Watched(samples(GROWS), first, last))
    assert verdict.share == pytest.approx(0.5)
    assert verdict.bytes == (100_000, 200_000)
    assert not verdict.exact_bytes


def counted(*pairs):
    return tuple(
        Count(2.0 * i, {0: Row(*pair, None, pair[1], 0, None, 0, fresh=True)}) for i, pair in enumerate(pairs)
    )


def test_where_samples_see_a_part_the_copies_counts_decide():
    rows = [row(32, holders=32, fresh=False)] * 8
    watched = Watched(
        samples(rows, partial="too large"), counts=counted(*((50 * i, 100 * i) for i in range(1, 7)))
    )
    (verdict,) = verdicts([CELL], watched)
    assert verdict.status is Status.CONFIRMED
    assert verdict.entries == (100, 600)


def test_where_samples_are_few_the_copies_counts_are_points_too():
    watched = Watched(
        samples([row(10), row(20), row(30)]), counts=counted((1, 5), (1, 12), (1, 25), (1, 31), (1, 45))
    )
    watched = replace(watched, samples=tuple(replace(s, t=3.0 * i) for i, s in enumerate(watched.samples)))
    (verdict,) = verdicts([ITEMS], watched)
    assert verdict.samples == 8


def test_where_no_sample_saw_a_holder_the_copies_decide():
    nobody = samples([None] * 5)
    (verdict,) = verdicts([ITEMS], Watched(nobody, counts=counted((0, 0), (0, 0))))
    assert verdict.status is Status.UNRESOLVED
    (verdict,) = verdicts([ITEMS], Watched(nobody, counts=counted(*((1, 50 * i) for i in range(1, 7)))))
    assert verdict.entries == (50, 300)


def test_where_samples_see_a_part_and_nothing_else_did_it_is_inconclusive():
    rows = [row(32, holders=32, fresh=False)] * 8
    (verdict,) = verdicts([CELL], Watched(samples(rows, partial="too large")))
    assert verdict.status is Status.INCONCLUSIVE


def test_searches_of_a_part_are_not_compared_with_searches_of_the_whole():
    part = samples([row(64, holders=64)] * 2, partial="too large")
    whole = samples([row(80_000, holders=80_000, largest=1)] * 8)
    watched = Watched((*part, *(replace(sample, t=sample.t + 10) for sample in whole)))
    (verdict,) = verdicts([ITEMS], watched)
    assert verdict.entries == (80_000, 80_000)
    assert verdict.status is Status.NOT_GROWING


def test_searches_of_a_part_that_saw_the_same_holders_count_too():
    rows = samples([row(10 * i) for i in range(10)])
    watched = Watched((*rows[:2], *(replace(sample, partial="too large") for sample in rows[2:])))
    (verdict,) = verdicts([ITEMS], watched)
    assert verdict.status is Status.CONFIRMED
    assert verdict.samples == 10


def test_the_copies_counts_decide_too_where_only_the_first_search_was_of_the_whole():
    rows = samples([row(32, holders=32), *[row(32, holders=32, fresh=False)] * 7])
    watched = Watched(
        (rows[0], *(replace(sample, partial="too large") for sample in rows[1:])),
        counts=counted(*((50 * i, 100 * i) for i in range(1, 7))),
    )
    (verdict,) = verdicts([CELL], watched)
    assert verdict.status is Status.CONFIRMED
    assert verdict.entries == (100, 600)


def test_a_bug_in_one_verdict_costs_no_other_its_own(monkeypatch):
    def broken(kind, rows):
        if kind is ITEMS.probe.kind:
            raise IndexError("list index out of range")
        return course(kind, rows)

    monkeypatch.setattr("leakaudit.runtime.verdict.course", broken)
    watched = Watched(samples([row(10 * i) for i in range(10)], [row(10 * i) for i in range(10)]))
    good, bad = verdicts([CACHE, ITEMS], watched)
    assert good.status is Status.CONFIRMED
    assert (bad.status, bad.reason) == (
        Status.UNRESOLVED,
        "leakaudit failed on it (IndexError: list index out of range)",
    )


def test_suspicious_are_those_that_gained_largest_first():
    big, small = ([row(i, size=i * n) for i in range(8)] for n in (100, 10))
    watched = Watched(samples(small, big, [row(4)] * 8))
    assert suspicious([CACHE, CELL, ITEMS], watched) == [1, 0]
