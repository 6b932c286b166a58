"""What is raised that exists already, and which stored values still hold an exception."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.model import Op, Raise


def raised(text: str) -> list[Raise]:
    return list(extract(text).raises)


def stored(value: str) -> tuple[str, ...]:
    """Return the origins of `value`, put into a list in a handler that caught `error`."""
    facts = extract(f"""
class C:
    def run(self, key):
        try:
            work()
        except OSError as error:
            self.kept.append({value})
""")
    return next(e.value_origins for e in facts.events if e.op is Op.GROW)


def test_a_raised_constant_knows_what_it_is_and_where_it_is_made() -> None:
    (item,) = raised("LATE = TimeoutError('late')\n\ndef f():\n    raise LATE\n")
    assert (item.owner, item.line, item.made, item.func) == ("m:LATE", 4, 1, 0)
    assert "new:TimeoutError" in item.origins


def test_new_exceptions_classes_and_caught_names_are_no_news() -> None:
    assert not raised("""
class Gone(Exception): ...

def f():
    raise ValueError("new")

def g():
    raise Gone

def h():
    try:
        work()
    except ValueError as error:
        raise error
    raise
""")


@pytest.mark.parametrize("release", ["del answer", "answer = None"])
def test_a_local_that_is_unbound_is_released(release: str) -> None:
    (item,) = raised(f"""
def f(self):
    answer = self.read()
    try:
        if isinstance(answer, OSError):
            raise answer
    finally:
        {release}
""")
    assert "released" in item.origins
    assert item.guards == ("isinstance(answer, OSError)",)


def test_an_element_is_raised_under_its_container() -> None:
    (item,) = raised("class C:\n    def f(self, key):\n        raise self.errors[key]\n")
    assert item.owner == "i:C.errors[]"


@pytest.mark.parametrize(
    "value",
    [
        "error",
        "(key, error)",
        "{key: error}",
        "[error]",
        "Failed(error)",
        "error.__traceback__",
        "tuple([error])",
    ],
)
def test_what_keeps_the_exception(value: str) -> None:
    assert "except" in stored(value)


@pytest.mark.parametrize(
    "value",
    [
        "str(error)",
        "f'{key}: {error}'",
        "error.args",
        "type(error)",
        "repr(error)",
        "describe(error)",
        "error.with_traceback(None)",
        "traceback.TracebackException(error)",
        "key",
    ],
)
def test_what_lets_go_of_it(value: str) -> None:
    assert "except" not in stored(value)
