"""Which classes have to be closed, though no table names them."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.owning.closeables import Closeables
from leakaudit.facts.project import Project

SOURCE = """
import socket
class Inner:
    def __init__(self):
        self.sock = socket.socket()
    def close(self):
        self.sock.close()
class Outer:
    def __init__(self):
        self.inner = Inner()
    def close(self):
        self.inner.close()
class Plain:
    def __init__(self):
        self.rows = []
    def close(self):
        self.rows.clear()
class Query:
    def ask(self):
        self.sock = socket.socket()
        self._stop()
    def _stop(self):
        self.sock.close()
class Endless:
    def __init__(self):
        self.sock = socket.socket()
"""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Inner", "inner"),
        ("Outer", "outer"),
        ("Plain", None),
        ("Endless", None),
        ("other.ConnectionPool", "pool"),
        ("Query", None),
        ("other.Pool", None),
        ("other.GreenPool", None),
        ("other.Resolver", "resolver"),
        ("other.Table", None),
    ],
)
def test_a_class_is_known_by_what_it_keeps_or_what_it_is_called(name: str, kind: str | None) -> None:
    made = Closeables(Project({"m.py": extract(SOURCE)})).made("m.py", -1, f"new:{name}")
    assert (made.kind if made is not None else None) == kind
