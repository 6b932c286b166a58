"""A mutable default that grows becomes None, made anew in each call; a cache is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixing import fixed, mended

PLAIN = '''\
def handle_request(request, seen=[]):  # per call
    """Doc."""

    seen.append(request.id)
    return seen
'''


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


def test_the_default_is_made_anew_in_each_call(app: Path) -> None:
    after = fixed(app, PLAIN)
    assert (
        after
        == '''\
def handle_request(request, seen=None):  # per call
    """Doc."""

    if seen is None:
        seen = []
    seen.append(request.id)
    return seen
'''
    )
    space: dict[str, object] = {}
    exec(after, space)
    request = type("Request", (), {"id": 7})
    handle = space["handle_request"]
    assert handle(request) == [7] == handle(request)  # type: ignore[operator]
    assert handle(request, [1]) == [1, 7]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("seen: list = []", "seen: list = None"),
        ("seen=dict()", "seen=None"),
        ("*, seen = [ ]", "*, seen = None"),
    ],
)
def test_how_it_is_written_stays(app: Path, before: str, after: str) -> None:
    text = PLAIN.replace("seen=[]", before).replace("seen.append(request.id)", "seen.update({request.id: 1})")
    text = text if "dict" in before else PLAIN.replace("seen=[]", before)
    assert f"request, {after})" in fixed(app, text)


@pytest.mark.parametrize(
    ("head", "annotation"),
    [
        ("from typing import Optional\n", "Optional[list]"),
        ("x: int | None = None\n", "list | None"),
        ("", "list"),
    ],
)
def test_an_annotation_admits_none_where_the_file_does_so_elsewhere(
    app: Path, head: str, annotation: str
) -> None:
    text = head + PLAIN.replace("seen=[]", "seen: list = []")
    assert f"seen: {annotation} = None" in fixed(app, text)


def test_tabs_and_comments_stay(app: Path) -> None:
    text = "def handle_request(request, seen=[  # why\n]):\n\t# first\n\tseen.append(request.id)\n\treturn seen\n"
    after = fixed(app, text)
    assert "\tif seen is None:\n\t\tseen = [  # why\n" in after
    assert "]\n\t# first\n\tseen.append(request.id)\n" in after


@pytest.mark.parametrize(
    "body",
    [
        "    if request.id in seen:\n        return\n    seen.append(request.id)\n",
        "    seen.append(request.id)\n    return seen[0]\n",
        "    seen.append(request.id); return seen.get(1)\n",
    ],
)
def test_a_cache_is_left_alone(app: Path, body: str) -> None:
    text = "def handle_request(request, seen=[]):\n" + body
    result = mended(app, text, unsafe=True)
    assert result.report.shown
    assert not result.changes


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("return seen", "return len(seen)"),
        PLAIN.replace("return seen", "return handle_request(request)"),
        "import app\n\n\n@app.route('/')\n" + PLAIN,
    ],
    ids=["measured", "left to a recursion", "seen by a decorator"],
)
def test_what_may_remember_is_unsafe(app: Path, text: str) -> None:
    result = mended(app, text)
    assert not result.changes
    (finding,) = result.report.shown
    assert finding.fix is not None
    assert not finding.fix.safe
    assert mended(app, text, unsafe=True).changes


@pytest.mark.parametrize(
    "text",
    [
        "BASE = 1\n" + PLAIN.replace("[]", "[BASE]"),
        PLAIN.replace("request, seen=[]", "request, list, seen=list()"),
        "def handle_request(request, seen=[]): seen.append(request.id); return seen\n",
    ],
    ids=["made of a variable", "made of what the call passes", "on one line"],
)
def test_no_fix_where_it_would_mean_something_else(app: Path, text: str) -> None:
    assert fixed(app, text, unsafe=True) == text
