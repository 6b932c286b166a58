"""Containers that have a name, over time, and what the source calls them."""

from __future__ import annotations

import pytest

from leakaudit.runtime.declared import Sources
from leakaudit.runtime.named import Named, identify


@pytest.fixture
def sources(tmp_path):
    library = tmp_path / "lib"
    shop = library / "site-packages/shop.py"
    shop.parent.mkdir(parents=True)
    shop.write_text("CACHE = {}\nclass Base:\n    def __init__(self):\n        self.jobs = queue.Queue()\n")
    user = library / "site-packages/user.py"
    user.write_text("from shop import CACHE\n")
    std = library / "queue.py"
    std.write_text("class Queue:\n    def __init__(self):\n        self.queue = deque()\n")
    return Sources({"shop": shop, "user": user, "queue": std}, (library,))


def grown(*names, **more):
    return {"names": list(names), "path": [], "bases": [], "collection": False, **more}


def test_the_name_that_the_source_declares_wins_over_imported_ones(sources):
    told = identify(grown("user::CACHE", "shop::CACHE"), sources)
    assert (told["symbol"], told["line"], told["within"]) == ("shop.CACHE", 1, "")


def test_an_attribute_is_named_by_the_base_class_that_declares_it(sources):
    told = identify(grown("user:Worker:jobs[...]", bases=["user:Worker", "shop:Base"]), sources)
    assert (told["symbol"], told["line"]) == ("shop.Base.jobs[...]", 4)


def test_what_a_thread_has_is_declared_where_its_local_is(sources):
    told = identify(grown("shop::CACHE.rows"), sources)
    assert (told["symbol"], told["line"]) == ("shop.CACHE.rows", 1)


def test_inside_the_standard_library_the_holder_is_named(sources):
    path = [
        {"text": "module shop", "module": "shop", "owner": "", "name": ""},
        {"text": "Base.jobs", "module": "shop", "owner": "Base", "name": "jobs"},
        {"text": "Queue.queue", "module": "queue", "owner": "Queue", "name": "queue"},
    ]
    told = identify(grown("queue:Queue:queue", path=path), sources)
    assert (told["symbol"], told["within"]) == ("shop.Base.jobs", "queue.Queue.queue")


def test_a_registry_of_the_standard_library_tells_whose_entries_fill_it(sources):
    told = identify(
        grown("weakref:finalize:_registry", filled_by=[["weakref", "x"], ["shop", "Base.go"]]), sources
    )
    assert (told["symbol"], told["filler"]) == ("weakref.finalize._registry", "shop.Base.go")


def seen(t, **lengths):
    return {"t": t, "names_s": 0.01, "names": {name: [n, 1, n, None] for name, n in lengths.items()}}


def test_what_rises_throughout_is_told_from_what_warms_up():
    named = Named()
    assert named.rising() is None
    for t in range(6):
        named.add(seen(float(t), leak=10 * t, warm=min(20, 20 * t), steady=7))
    assert named.rising() == ["leak"]
    assert named.points("leak")[-1] == (5.0, 50)
    assert named.points("gone")[0] == (0.0, 0)


def test_copies_look_again_only_where_that_costs_little():
    named = Named()
    assert not named.affordable(60.0)
    named.add(seen(0.0))
    assert named.affordable(60.0)
    assert not named.affordable(0.1)
