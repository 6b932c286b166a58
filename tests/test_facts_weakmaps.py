"""Weak keys that their values hold."""

from __future__ import annotations

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.weakmaps import SelfHeld, self_held
from leakaudit.facts.project import Project

MAP = "import weakref\nMAP = weakref.WeakKeyDictionary()\n"
KEEPS = "class Value:\n    def __init__(self, size, key=None):\n        self.key = key\n"


def found(body: str, classes: str = KEEPS) -> list[SelfHeld]:
    return list(self_held(Project({"a.py": extract(f"{MAP}{classes}def f(key, n):\n    {body}\n")})))


def test_the_constructor_keeps_the_key() -> None:
    (held,) = found("MAP[key] = Value(n, key)")
    assert held.sure
    (held,) = found("MAP[key] = Value(n, key=key)")
    assert held.sure


def test_a_local_on_the_way() -> None:
    (held,) = found("value = Value(n, key)\n    MAP[key] = value")
    assert held.how == "`Value` is made with `key`"


def test_another_argument_is_the_key() -> None:
    assert not found("MAP[key] = Value(key)")


def test_a_constructor_that_cannot_be_read() -> None:
    (held,) = found("MAP[key] = Other(key)")
    assert not held.sure


def test_a_local_made_where_it_cannot_be_read() -> None:
    assert not found("value = Other(key.code)\n    MAP[key] = value")


def test_a_constructor_that_keeps_nothing() -> None:
    assert not found("MAP[key] = Value(n, key)", KEEPS.replace("self.key = key", "self.key = key.name"))


def test_no_instance() -> None:
    assert not found("MAP[key] = n")
    assert not found("MAP['x'] = Value(n, key)")
