"""Timers that their object leaves running."""

from __future__ import annotations

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.timers import Timer, timers
from leakaudit.facts.project import Project

CLASS = """
class Connection:
    def received(self):
        self.timer = self.loop.call_later(5, self.expire)
    def expire(self):
        self.sock.close()
"""


def found(*methods: str, base: str = CLASS) -> list[Timer]:
    text = base + "".join(f"    def {m}\n" for m in methods)
    return list(timers(Project({"a.py": extract(text)})))


def test_an_end_that_leaves_it_running() -> None:
    (timer,) = found("again(self): self.timer.cancel()", "close(self): self.sock.close()")
    assert (timer.attribute, timer.ending.name, timer.stopped_by, timer.stops) == (
        "timer",
        "close",
        "again",
        "sock",
    )
    assert not timer.recurring


def test_an_end_that_stops_it_through_another_method() -> None:
    assert not found("_quiet(self): self.timer.cancel()", "close(self): self._quiet()")


def test_a_method_named_like_an_end_counts_whoever_calls_it() -> None:
    assert not found("stop_timer(self): self.timer.cancel()", "close(self): self.sock.close()")


def test_an_object_without_an_end_is_not_asked() -> None:
    assert not found("again(self): self.timer.cancel()")


def test_a_subclass_elsewhere_that_stops_it_counts() -> None:
    text = CLASS + "    def close(self): self.sock.close()\n"
    other = "class Other:\n    def close(self):\n        self.timer.cancel()\n"
    assert not list(timers(Project({"a.py": extract(text), "b.py": extract(other)})))


def test_a_timer_that_holds_nothing_of_the_object() -> None:
    text = CLASS.replace("self.expire)", "notify)")
    assert not found("again(self): self.timer.cancel()", "close(self): self.sock.close()", base=text)
