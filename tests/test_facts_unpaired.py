"""Registrations that are left where others are undone."""

from __future__ import annotations

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.unpaired import unpaired
from leakaudit.facts.project import Project

CLASS = """
class View:
    def changed(self): ...
    def closed(self): ...
    def __init__(self, bus):
        bus.on_change.connect(self.changed)
        {}
    def detach(self, bus):
        {}
"""


def left(put: str, taken: str) -> list[str]:
    return [found.method for found in unpaired(Project({"a.py": extract(CLASS.format(put, taken))}))]


def test_the_sibling_is_taken_out() -> None:
    assert left("bus.on_close.connect(self.closed)", "bus.on_change.disconnect(self.changed)") == ["closed"]


def test_both_are_taken_out() -> None:
    assert left("bus.connect(self.closed)", "bus.disconnect(self.changed); bus.disconnect(self.closed)") == []


def test_neither_is_taken_out() -> None:
    assert left("bus.connect(self.closed)", "bus.close()") == []


def test_the_handle_is_kept() -> None:
    assert left("self.handle = bus.connect(self.closed)", "bus.disconnect(self.changed)") == []


def test_all_are_taken_out_at_once() -> None:
    assert left("bus.connect(self.closed)", "bus.x.disconnect(self.changed); bus.disconnect_all()") == []
