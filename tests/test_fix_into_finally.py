"""A removal that is skipped on failure moves into `finally`, in the simple case, when asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fixing import fixed, mended

TEXT = """\
class Client:
    def __init__(self):
        self._pending = {}

    async def handle_request(self, request, session_id):
        self._pending[session_id] = request
        # may be cancelled
        reply = await request.send()
        text = '''
as it is'''
        self._pending.pop(session_id)  # answered
        return reply, text


client = Client()
"""
FIXED = """\
        self._pending[session_id] = request
        # may be cancelled
        try:
            reply = await request.send()
            text = '''
as it is'''
        finally:
            self._pending.pop(session_id, None)  # answered
        return reply, text
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


@pytest.mark.parametrize(
    "removal",
    ["self._pending.pop(session_id)", "self._pending.pop(session_id, None)", "del self._pending[session_id]"],
)
def test_it_moves(app: Path, removal: str) -> None:
    text = TEXT.replace("self._pending.pop(session_id)", removal)
    assert not mended(app, text).changes
    after = fixed(app, text, unsafe=True)
    assert FIXED in after
    space: dict[str, type] = {}
    exec(after, space)

    class Request:
        async def send(self) -> None:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(space["Client"].handle_request(space["client"], Request(), 1))  # type: ignore[attr-defined]
    assert space["client"]._pending == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self._pending.pop(session_id)  # answered", "request = self._pending.pop(session_id)"),
        (
            "        self._pending.pop(session_id)  # answered",
            "        if reply:\n            self._pending.pop(session_id)",
        ),
        (
            "        self._pending[session_id] = request",
            "        if request:\n            self._pending[session_id] = request",
        ),
    ],
    ids=["its result is used", "under a condition", "put in under a condition"],
)
def test_anything_else_is_left_alone(app: Path, old: str, new: str) -> None:
    text = TEXT.replace(old, new)
    assert text != TEXT
    assert fixed(app, text, unsafe=True) == text
