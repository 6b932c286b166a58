"""Which locals hold an exception whose traceback holds their own frame?"""

from __future__ import annotations

import textwrap

import pytest

from leakaudit.facts.extract import extract


def held(body: str, parameters: str = "work, hosts, given") -> list[tuple[str, str]]:
    text = f"def run(self, {parameters}):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return [(cycle.name, cycle.how) for cycle in extract(text).frame_cycles]


FUTURE = """
future = Future()
try:
    future.set_result(work())
except Exception as error:
    GIVE
CLEAR
"""


@pytest.mark.parametrize(
    "give",
    [
        "future.set_exception(error)",
        "future.set_exc_info(sys.exc_info())",
        "future_set_exc_info(future, sys.exc_info())",
    ],
)
def test_a_future_made_here_is_given_what_was_caught_here(give: str) -> None:
    assert held(FUTURE.replace("GIVE", give).replace("CLEAR", "return future")) == [("future", "future")]


@pytest.mark.parametrize(
    ("give", "clear"),
    [
        ("future.set_exception(error)", "del future"),
        ("future.set_exception(error)", "future = None"),
        ("future.set_exception(error.with_traceback(None))", "return future"),
        ("future.set_exception(TimeoutError())", "return future"),
        ("given.set_exception(error)", "return future"),
        ("self.future.set_exception(error)", "return future"),
    ],
)
def test_futures_that_hold_no_frame_of_their_own(give: str, clear: str) -> None:
    assert held(FUTURE.replace("GIVE", give).replace("CLEAR", clear)) == []


LIST = """
errors = []
for host in hosts:
    try:
        return host.connect()
    except OSError as error:
        PUT
END
"""


@pytest.mark.parametrize(
    ("put", "end"),
    [
        ("errors.append(error)", "raise errors[0]"),
        ("errors.append((host, error))", "raise ConnectionError() from errors[-1][1]"),
        ("errors.append(error)", "raise ExceptionGroup('no host', errors)"),
        ("errors.append(error)", "cause = errors[0]\nraise ConnectionError() from cause"),
    ],
)
def test_a_list_of_what_was_caught_is_raised_of(put: str, end: str) -> None:
    assert held(LIST.replace("PUT", put).replace("END", end)) == [("errors", "list")]


@pytest.mark.parametrize(
    ("put", "end"),
    [
        ("errors.append(error)", "return errors"),
        ("errors.append(str(error))", "raise ConnectionError(errors)"),
        ("errors.append(error)", "try:\n    raise errors[0]\nfinally:\n    errors.clear()"),
        ("errors.append(error)", "try:\n    raise errors[0]\nfinally:\n    del errors"),
        ("given.append(host)", "raise given[0]"),
    ],
)
def test_lists_that_hold_no_frame_of_their_own(put: str, end: str) -> None:
    assert held(LIST.replace("PUT", put).replace("END", end)) == []
