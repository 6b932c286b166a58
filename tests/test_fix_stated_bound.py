"""A deque gets the bound that the code states for it, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixing import fixed, mended

TEXT = """\
import logging
from collections import deque

LIMIT = 1000
_events = deque()


def handle_event(event):
    _events.append(event.text)
    if len(_events) > LIMIT:
        logging.warning("too many")
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


@pytest.mark.parametrize("test", ["len(_events) > LIMIT", "len(_events) >= LIMIT", "LIMIT < len(_events)"])
def test_the_constant_that_its_length_is_compared_with(app: Path, test: str) -> None:
    text = TEXT.replace("len(_events) > LIMIT", test)
    assert fixed(app, text) == text.replace("deque()", "deque(maxlen=LIMIT)")


def test_a_number(app: Path) -> None:
    assert "deque(maxlen=500)\n" in fixed(app, TEXT.replace("> LIMIT", "> 500"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("> LIMIT", "> event.limit"),
        ("> LIMIT", "== LIMIT"),
        ("LIMIT = 1000\n_events = deque()\n", "_events = deque()\nLIMIT = 1000\n"),
        ("LIMIT = 1000", "LIMIT = 1000\nLIMIT = 2000"),
        ("deque()", "[]"),
        ('warning("too many")', 'warning("too many" if len(_events) < 2000 else "")'),
    ],
    ids=["no constant", "no bound", "too late", "bound twice", "a list", "two bounds"],
)
def test_anything_else_is_left_alone(app: Path, old: str, new: str) -> None:
    text = TEXT.replace(old, new)
    assert text != TEXT
    result = mended(app, text, unsafe=True)
    assert result.report.shown
    assert not result.changes
