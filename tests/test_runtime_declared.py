"""Where the source declares a name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from leakaudit.runtime.declared import Sources, declared

SOURCE = ast.parse('''
import functools

seen, missed = [], []
if True:
    late: dict = {}


class Basket:
    kinds = {}

    def __init__(self):
        seen = 1
        self.items = []
        self.__hidden = {}

    @functools.cache
    def price(self):
        """Look it up."""


def subscribe(first, store={}):
    updates = []
    return lambda: updates
''')


@pytest.mark.parametrize(
    ("owner", "name", "line"),
    [
        ("", "seen", 4),
        ("", "missed", 4),
        ("", "late", 6),
        ("", "items", None),
        ("Basket", "kinds", 10),
        ("Basket", "items", 14),
        ("Basket", "_Basket__hidden", 15),
        ("Basket", "price", 18),
        ("Basket", "other", None),
        ("Gone", "items", None),
        ("subscribe", "store", 22),
        ("subscribe.<locals>.<lambda>", "updates", None),
        ("subscribe", "updates", 23),
    ],
)
def test_declared(owner, name, line):
    assert declared(SOURCE, owner, name) == line


def test_sources_know_the_standard_library_from_installed_packages(tmp_path):
    library = tmp_path / "lib/python3.11"
    package = library / "site-packages/shop/__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("stock = {}\n")
    sources = Sources({"shop": package, "queue": library / "queue.py", "app": Path("/app.py")}, (library,))
    assert [sources.is_standard(name) for name in ("shop", "queue", "app", "_thread", "__main__")] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert sources.declaration("shop", "", "stock") == (package, 1)
    assert sources.declaration("queue", "", "stock") is None
    assert sources.declaration("_thread", "", "stock") is None
