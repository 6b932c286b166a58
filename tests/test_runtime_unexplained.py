"""Growth that no finding explains, and the nearest declaration in the source."""

from __future__ import annotations

import pytest

from leakaudit.runtime.census import Census
from leakaudit.runtime.sample import Sample
from leakaudit.runtime.unexplained import declarations, nearest, own_files, unexplained
from leakaudit.runtime.verdict import Watched

SOURCE = '''"""A module."""

seen = []


class Basket:
    kinds: dict = {}

    def __init__(self):
        self.items = []
        self.later: list = []

    def reset(self):
        self.items = []


def subscribe():
    updates = []
    return lambda: updates
'''


@pytest.fixture
def files(tmp_path):
    path = tmp_path / "shop.py"
    path.write_text(SOURCE)
    return {"shop": path}


def step(name="", owner="", module="", text="x"):
    return {"text": text, "module": module, "owner": owner, "name": name}


@pytest.mark.parametrize(
    ("last", "line"),
    [
        (step("seen", module="shop"), 3),
        (step("kinds", "Basket", "shop"), 7),
        (step("items", "Basket", "shop"), 10),
        (step("later", "Basket", "shop"), 11),
        (step("updates", "subscribe"), 18),
        (step("updates", "subscribe.<locals>.<lambda>"), None),
        (step("nothing", "Basket", "shop"), None),
        (step("x", "Basket", "elsewhere"), None),
        (step("items", "Other", "shop"), None),
    ],
)
def test_nearest_declaration(files, last, line):
    found = nearest([step(text="module shop"), last, step(text="dict[...]")], files)
    assert (found and found[1]) == line


def test_the_last_name_that_the_source_declares_wins(files):
    path = [step("seen", module="shop"), step("items", "Basket", "shop"), step("_buffer", "Lib", "lib")]
    assert nearest(path, files) == (files["shop"], 10)


def test_unreadable_source_declares_nothing(tmp_path):
    broken = tmp_path / "shop.py"
    broken.write_text("def (")
    assert nearest([step("seen", module="shop")], {"shop": broken}) is None
    assert nearest([step("seen", module="shop")], {"shop": tmp_path / "gone.py"}) is None


def census(t, live):
    return Census(t=t, live=live, free=0, objects=1, containers={}, types={}, named_bytes=None)


def sample(t, types):
    return Sample(t, 1, 1, {}, {}, types, "", 1.0, 1.0, 1)


def item(kind, first, last, size):
    return {
        "type": kind,
        "count": [first, last],
        "bytes": size,
        "path": [step("seen", module="shop", text="shop.seen")],
    }


def test_it_is_told_with_rates_share_path_and_place(files):
    result = {"unexplained": [item("list", 100, 300, 100_000)], "unexplained_types": []}
    declarations(result, files)
    (told,) = unexplained(result, Watched((), census(0.0, 1_000_000), census(10.0, 1_200_000)))
    assert (told.type_name, told.count, told.count_per_s) == ("list", (100, 300), 20.0)
    assert (told.bytes_per_s, told.share) == (10_000.0, 0.5)
    assert told.retaining_path == ("shop.seen",)
    assert (told.path, told.line) == (str(files["shop"]), 3)


def test_small_change_is_not_told():
    result = {"unexplained": [item("list", 100, 110, 1_000)], "unexplained_types": []}
    assert unexplained(result, Watched((), census(0.0, 1_000_000), census(10.0, 1_200_000))) == ()


def test_a_type_that_stopped_growing_is_not_told():
    result = {"unexplained": [], "unexplained_types": [item("shop.Timer", 10, 90, 50_000)]}
    counts = [10, 40, 70, 90, 90, 90, 90, 90, 90, 90]
    settled = tuple(sample(float(t), {"shop.Timer": n}) for t, n in enumerate(counts))
    growing = tuple(sample(float(t), {"shop.Timer": 10 + 9 * t}) for t in range(10))
    ends = census(0.0, 1_000_000), census(10.0, 1_200_000)
    assert unexplained(result, Watched(settled, *ends)) == ()
    assert len(unexplained(result, Watched(growing, *ends))) == 1


def test_nothing_seen_is_nothing_told():
    assert unexplained(None, Watched(())) == ()
    assert unexplained({"unexplained": []}, Watched((), census(0.0, 1))) == ()


def test_without_a_census_types_that_outgrow_the_confirmed_containers_are_told():
    growing = tuple(sample(float(t), {"shop.Timer": 20 * t, "shop.Basket": 100}) for t in range(10))
    (told,) = unexplained(None, Watched(growing), explained=100)
    assert (told.type_name, told.count, told.count_per_s) == ("shop.Timer", (0, 180), 20.0)
    assert told.bytes_per_s is None
    assert unexplained(None, Watched(growing), explained=180) == ()


def test_own_files_are_those_below_the_sources(tmp_path):
    here = {"shop": tmp_path / "app/shop.py", "httpx": tmp_path / "lib/httpx.py"}
    assert own_files({"shop": "x", "httpx": "y", "gone": "z"}, [tmp_path / "app"], here) == {
        "shop": here["shop"]
    }
