"""What the operating system tells about the target, as series."""

from __future__ import annotations

import os

from leakaudit.runtime import vitals
from leakaudit.runtime.vitals import Vitals, series


def test_a_process_has_figures_and_parts_that_add_up() -> None:
    figures = Vitals(os.getpid()).take()
    assert figures is not None
    assert figures["rss"] > 0
    assert figures["threads"] >= 1
    assert abs(sum(figures["parts"].values()) - figures["rss"]) < 0.2 * figures["rss"]


def test_the_account_takes_little_of_the_time() -> None:
    taken = Vitals(os.getpid())
    first, second = taken.take(), taken.take()
    assert first is not None
    assert second is not None
    assert "parts" in first
    assert "parts" not in second


def test_a_process_that_is_gone_has_none() -> None:
    assert Vitals(2**22 + 1).take() is None


def test_parts_are_series_of_the_resident_memory() -> None:
    sizes = {f"part {n}": 100 - n for n in range(9)}
    records = [
        {"t": 100.0, "rss": 900.0, "parts": sizes},
        {"t": 101.0, "rss": 901.0},
        {"t": 102.0, "rss": 902.0, "parts": {**sizes, "part 0": 300}},
    ]
    rss, *parts = series(records)
    assert (rss.name, rss.part_of, len(rss.points)) == ("rss", "", 3)
    assert [item.name for item in parts] == [*(f"part {n}" for n in range(vitals._MOST_PARTS)), "other"]
    assert {item.part_of for item in parts} == {"rss"}
    assert parts[0].points == ((0.0, 100.0), (2.0, 300.0))
    assert sum(item.last for item in parts) == sum(sizes.values()) + 200


def test_a_session_without_parts_has_none() -> None:
    assert [item.part_of for item in series([{"t": 1.0, "rss": 5.0}])] == [""]


def test_device_memory_is_told_in_bytes() -> None:
    records = [{"t": float(t), "cuda allocated": 2**20, "cuda reserved": t * 2**20} for t in range(40)]
    allocated, reserved = series(records)
    assert (allocated.name, allocated.unit, allocated.trend) == ("cuda allocated", "bytes", "stable")
    assert (reserved.name, reserved.last, reserved.trend) == ("cuda reserved", 39 * 2**20, "steady growth")
