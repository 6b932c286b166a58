"""Finalizers and exit handlers: which of them hold their own object."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.exits import eager, pinned
from leakaudit.facts.project import Project

CLASS = """
import atexit, weakref
from functools import partial

class Thing:
    def __init__(self, sock):
        self.sock = sock
        {}
    def close(self): ...
    @staticmethod
    def release(sock): ...
"""


def methods(line: str) -> list[str]:
    return [pin.method for pin in pinned(Project({"a.py": extract(CLASS.format(line))}))]


@pytest.mark.parametrize(
    ("line", "method"),
    [
        ("weakref.finalize(self, self.close)", "close"),
        ("weakref.finalize(self, lambda: self.sock.close())", "<lambda>"),
        ("weakref.finalize(self, partial(self.close))", "close"),
        ("weakref.finalize(self, print, self)", "print"),
        ("weakref.finalize(self, print, owner=self)", "print"),
        ("atexit.register(self.close)", "close"),
        ("atexit.register(print, self)", "print"),
        ("weakref.finalize(sock, sock.close)", "close"),
    ],
)
def test_what_holds_the_object_is_named(line: str, method: str) -> None:
    assert methods(line) == [method]


@pytest.mark.parametrize(
    "line",
    [
        "weakref.finalize(self, self.sock.close)",
        "weakref.finalize(self, self.release, sock)",
        "weakref.finalize(self, sock.close)",
        "weakref.finalize(self, lambda: sock.close())",
        "weakref.finalize(self, print, self.sock)",
        "atexit.register(sock.close)",
        "atexit.register(self.release, sock)",
        "self.finalize(self, self.close)",
    ],
)
def test_what_holds_only_a_resource_is_left_out(line: str) -> None:
    assert methods(line) == []


def test_a_finalizer_as_a_default_is_made_with_every_call() -> None:
    linked = Project(
        {
            "a.py": extract("""
import weakref
known = {}
def watch(owner): known.setdefault(id(owner), weakref.finalize(owner, print))
def once(owner): known[id(owner)] = weakref.finalize(owner, print)
""")
        }
    )
    assert [(call.line, name) for _, call, name in eager(linked)] == [(4, "known")]
