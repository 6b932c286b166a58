"""Instances that enlist themselves are held weakly, where that is possible; never without being asked."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from fixing import fixed, mended

REGISTRY = """\
import threading


class Limiter:
    instances = []

    def __init__(self, rate):
        self.rate = rate
        self.instances.append(self)

    @classmethod
    def reset(cls):
        for limiter in list(cls.instances):
            limiter.rate = 0


def handle_request(request):
    return Limiter(request.rate)
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


def test_it_is_never_safe(app: Path) -> None:
    result = mended(app, REGISTRY)
    assert not result.changes
    assert [finding.fix.safe for finding in result.report.shown if finding.fix] == [False]


def test_a_list_becomes_a_weak_set(app: Path) -> None:
    after = fixed(app, REGISTRY, unsafe=True)
    assert after == REGISTRY.replace("threading\n", "threading\nimport weakref\n").replace(
        "[]", "weakref.WeakSet()"
    ).replace(".append(", ".add(")
    space: dict[str, type] = {}
    exec(after, space)
    limiter = space["Limiter"](1)
    assert len(space["Limiter"].instances) == 1  # type: ignore[attr-defined]
    del limiter
    gc.collect()
    assert len(space["Limiter"].instances) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["id(self)", "rate"])
def test_a_dict_becomes_weak_in_its_values(app: Path, key: str) -> None:
    text = REGISTRY.replace("[]", "{}").replace("instances.append(self)", f"instances[{key}] = self")
    text = text.replace("rate):\n", "rate):\n        rate = id(rate)\n", 1)
    assert "instances = weakref.WeakValueDictionary()" in fixed(app, text, unsafe=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("list(cls.instances)", "cls.instances[1:]"),
        ("instances = []", "instances = [None]"),
        ("    def __init__", "    __slots__ = ('rate',)\n\n    def __init__"),
        ("class Limiter:", "class Limiter(tuple):"),
        ("    def __init__", "    def __eq__(self, other):\n        return True\n\n    def __init__"),
    ],
)
def test_no_fix_where_a_weak_set_would_not_do(app: Path, old: str, new: str) -> None:
    text = REGISTRY.replace(old, new, 1)
    assert fixed(app, text, unsafe=True) == text
