"""Registered callables: what they pin, who keeps them, whether they are taken out."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.subscription import Subscription
from leakaudit.facts.holders.subscriptions import Subscriptions
from leakaudit.facts.project import Project


def found(text: str) -> list[Subscription]:
    return list(Subscriptions(Project({"a.py": extract(text)})))


def in_class(statement: str, extra: str = "") -> list[Subscription]:
    return found(f"""
from app import bus
import weakref

class View:
    def __init__(self, client):
        self.client = client
        self.timer = Timer()
        {statement}

    def draw(self): ...

    def other(self):
        {extra or "pass"}
""")


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        ("self.client.on_draw(self.draw)", "passed-in"),
        ("client.on_draw(self.draw)", "passed-in"),
        ("bus.subscribe(self.draw)", "global"),
        ("self.timer.on_tick(self.draw)", "own"),
        ("self.register(self.draw)", "self"),
        ("self.widget.on_tick(self.draw)", "unknown"),
        ("self.app.on_tick(self.draw)", "lasting"),
        ("client.on_shutdown.append(self.draw)", "passed-in"),
    ],
)
def test_who_keeps_it(statement: str, source: str) -> None:
    (item,) = in_class(statement)
    assert item.source.value == source
    assert item.pins is not None
    assert item.pins.name == "View"
    assert item.undone.value == "no"


@pytest.mark.parametrize(
    "statement",
    [
        "self.handle = client.on_draw(self.draw)",
        "self.keep(client.on_draw(self.draw))",
        "return client.on_draw(self.draw)",
        "client.on_draw(weakref.WeakMethod(self.draw))",
        "client.connect(self.draw)",
        "client.loop.add_callback(self.draw)",
        "client.call_later(1, self.draw)",
        "items.append(self.draw)",
        "client.on_draw(self.client)",
        "client.on_draw(lambda: None)",
        "client.subscribe(self.draw, weak=True)",
    ],
)
def test_what_is_kept_handed_on_or_forgotten(statement: str) -> None:
    assert not in_class(statement)


def test_a_strong_signal_connection_counts() -> None:
    (item,) = in_class("client.connect(self.draw, weak=False)")
    assert item.verb == "connect"


@pytest.mark.parametrize(
    "extra",
    [
        "self.client.off_draw(self.draw)",
        "self.client.remove_on_draw(self.draw)",
        "self.keep(self.client.unregister_on_draw)",
        "self.client.close()",
    ],
)
def test_taken_out_in_another_method(extra: str) -> None:
    (item,) = in_class("self.client.on_draw(self.draw)", extra)
    assert item.undone.value == "yes"


def test_a_closure_over_self_pins_the_instance_and_others_do_not() -> None:
    over_self, over_local = found("""
class View:
    def __init__(self, client):
        client.on_draw(lambda: self.draw())

def handle(request, client):
    client.on_draw(lambda: request.send())
""")
    assert over_self.pins is not None
    assert over_local.pins is None
    assert over_local.captures == ("request",)
    assert over_local.source.value == "passed-in"


def test_the_registry_is_followed_into_the_project() -> None:
    text = """
class Hub:
    def __init__(self):
        self.listeners = []

    def add_listener(self, listener):
        self.listeners.append(listener)

    def on_each(self, function):
        return [function(n) for n in range(3)]

hub = Hub()

class View:
    def __init__(self):
        hub.add_listener(self.draw)
        hub.on_each(self.draw)

    def draw(self): ...
"""
    first = found(text)[0]
    assert first.registry is not None
    assert first.registry.name == "listeners"


@pytest.mark.parametrize(
    ("call", "replaces", "once"),
    [
        ("client.set_handler(self.draw)", True, False),
        ("client.register('draw', self.draw)", True, False),
        ("client.on('draw', self.draw)", False, False),
        ("client.add_listener('draw', self.draw)", False, False),
        ("client.listen_once('draw', self.draw)", False, True),
    ],
)
def test_slots_and_once(call: str, replaces: bool, once: bool) -> None:
    (item,) = in_class(call)
    assert (bool(item.replaces), bool(item.once)) == (replaces, once)


def test_a_dispatch_uid_is_registered_once() -> None:
    text = "from celery import signals\ndef handle_start(client):\n    signals.started.connect(lambda: client, {})\n"
    strong, named = "weak=False", "weak=False, dispatch_uid='stop'"
    told = [bool(s.replaces) for how in (strong, named) for s in found(text.format(how))]
    assert told == [False, True]


def test_a_future_calls_back_once_and_forgets() -> None:
    assert in_class("self.client.future.add_both(self.draw)") == []
    assert in_class("self.client.on_draw(self.draw)") != []
