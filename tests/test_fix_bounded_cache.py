"""A function cache without a maximum gets one, when asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixing import fixed, mended

FUNCTION = """\
def profile(user_id):
    return {"id": user_id}


def handle_request(request):
    return profile(request.user_id)
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "from functools import cache\n\n\n@cache\n",
            "from functools import lru_cache\n\n\n@lru_cache(maxsize=128)\n",
        ),
        (
            "from functools import cache, lru_cache\n\n\n@cache\n",
            "from functools import cache, lru_cache\n\n\n@lru_cache(maxsize=128)\n",
        ),
        (
            "import functools\n\n\n@functools.cache\n",
            "import functools\n\n\n@functools.lru_cache(maxsize=128)\n",
        ),
        (
            "from functools import lru_cache\n\n\n@lru_cache(maxsize=None)  # all\n",
            "from functools import lru_cache\n\n\n@lru_cache(maxsize=128)  # all\n",
        ),
        (
            "from functools import lru_cache\n\n\n@lru_cache(None, typed=True)\n",
            "from functools import lru_cache\n\n\n@lru_cache(128, typed=True)\n",
        ),
    ],
)
def test_the_maximum(app: Path, before: str, after: str) -> None:
    assert not mended(app, before + FUNCTION).changes
    assert fixed(app, before + FUNCTION, unsafe=True) == after + FUNCTION


def test_several_in_one_file_share_the_import(app: Path) -> None:
    text = (
        "from functools import cache\n\n\n@cache\n"
        + FUNCTION
        + "\n\n@cache\n"
        + FUNCTION.replace("profile", "account")
    )
    result = mended(app, text, unsafe=True)
    assert len(result.report.fixed) == 2
    assert result.changes[0].after.text.count("@lru_cache(maxsize=128)\n") == 2


def test_other_caches_are_left_alone(app: Path) -> None:
    text = "import cachetools\n\n\n@cachetools.cached(cache={})\n" + FUNCTION
    result = mended(app, text, unsafe=True)
    assert result.report.shown
    assert not result.changes
