"""Nested functions that refer to themselves."""

from __future__ import annotations

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.recursion import recursive
from leakaudit.facts.project import Project


def rings(text: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(found.ring, found.kept) for found in recursive(Project({"a.py": extract(text)}))]


def test_a_function_that_calls_itself_keeps_what_it_captured() -> None:
    text = "def f(names):\n    def g(x):\n        return g(x[0]) or names\n    return g(names)\n"
    assert rings(text) == [(("g",), ("names",))]


def test_a_ring_of_three_is_found_once() -> None:
    text = (
        "def f(x):\n"
        "    def a(): return b()\n"
        "    def b(): return c()\n"
        "    def c(): return a() or x\n"
        "    return a()\n"
    )
    assert rings(text) == [(("a", "b", "c"), ("x",))]


def test_helpers_and_local_classes_are_no_values_of_the_call() -> None:
    text = (
        "def f(x):\n"
        "    class Node: ...\n"
        "    def make(): return x\n"
        "    def g(): return g() or make() or Node\n"
        "    return g()\n"
    )
    assert rings(text) == [(("g",), ())]


def test_a_function_that_is_handed_on_to_run_later_is_none() -> None:
    text = "def f(loop, x):\n    def tick():\n        loop.call_later(x, tick)\n    tick()\n"
    assert rings(text) == []


def test_a_call_of_another_function_of_that_name_is_none() -> None:
    text = "def g(x): ...\ndef f(x):\n    def h(): return g(x)\n    return h()\n"
    assert rings(text) == []
