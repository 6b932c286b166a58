"""Callbacks over their own future."""

from __future__ import annotations

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.futures import OwnCallback, own_callbacks
from leakaudit.facts.project import Project


def found(*lines: str) -> list[OwnCallback]:
    text = "def f(future, pool, loop, x):\n" + "".join(f"    {line}\n" for line in lines)
    return list(own_callbacks(Project({"a.py": extract(text)})))


def test_a_method_of_the_future() -> None:
    (own,) = found("future.add_done_callback(lambda _: future.result())")
    assert (own.name, own.cleared) == ("future", False)


def test_an_annotated_future() -> None:
    text = "def f(future: Future):\n    future.add_done_callback(lambda _: future.result())\n"
    assert [own.name for own in own_callbacks(Project({"a.py": extract(text)}))] == ["future"]


def test_a_function_that_is_given_the_future() -> None:
    (own,) = found("loop.add_future(future, lambda _: x(future))")
    assert own.name == "future"


def test_a_task_of_the_loop_lets_go_when_it_is_done() -> None:
    (own,) = found("task = loop.create_task(x())", "task.add_done_callback(lambda _: x.discard(task))")
    assert own.cleared


def test_the_next_one_takes_its_place_in_the_function_around() -> None:
    text = (
        "def f(make):\n"
        "    waiter = None\n"
        "    def renew():\n"
        "        nonlocal waiter\n"
        "        waiter = make()\n"
        "        waiter.add_done_callback(lambda done: done is waiter)\n"
        "    return renew\n"
    )
    assert not list(own_callbacks(Project({"a.py": extract(text)})))


def test_what_the_callback_captured_is_something_else() -> None:
    assert not found("future.add_done_callback(lambda done: x(done))")
    assert not found("loop.add_future(future, lambda done: loop.stop())")
    assert not found("x.join(future).add_done_callback(lambda _: future.result())")
