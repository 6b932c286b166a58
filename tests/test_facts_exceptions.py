"""Exceptions that stay reachable: in containers, as constants, through their own frames."""

from __future__ import annotations

import pytest

from leakaudit.facts.exceptions.retained import held_by_frame, is_exception, kept, remembered, shared, taken
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project


def project(**files: str) -> Project:
    return Project({f"{name}.py": extract(text) for name, text in files.items()})


def test_an_exception_in_a_container_is_kept() -> None:
    (item,) = kept(
        project(
            a="""
class Sender:
    def __init__(self):
        self.failed = []

    def send(self, message):
        try:
            message.send()
        except OSError as error:
            self.failed.append((message, error))
"""
        )
    )
    assert (item.what, item.subject.name, item.seen.event.line) == ("exception", "failed", 10)
    assert item.again == ()


def test_what_is_raised_from_the_container_again() -> None:
    (item,) = kept(
        project(
            a="""
cache = {}

def load(name):
    if name in cache:
        raise cache[name]
    try:
        return read(name)
    except OSError as error:
        cache[name] = error
        raise
"""
        )
    )
    assert [raised.line for _, raised in item.again] == [6]


def test_the_failure_that_a_deferred_calls_back_with() -> None:
    text = """
class Media:
    def __init__(self):
        self.downloaded = {}

    def get(self, request):
        request.download().addBoth(self.store, request.url)

    def store(self, result, url):
        CLEAN
        self.downloaded[url] = result
"""
    (item,) = kept(project(a=text.replace("CLEAN", "pass")))
    assert item.what == "failure"
    assert not list(kept(project(a=text.replace("CLEAN", "result.cleanFailure()"))))


def test_exc_info_tells_where_it_is_taken() -> None:
    text = """
import queue, sys, traceback
results = queue.Queue()

def work(job):
    try:
        result = job()
    except Exception:
        result = sys.exc_info()
        CLEAN
    results.put(result)
"""
    whole = project(a=text.replace("CLEAN", "pass"))
    (item,) = kept(whole)
    assert (item.what, taken(whole, item)) == ("exc_info", (9,))
    assert not list(kept(project(a=text.replace("CLEAN", "traceback.clear_frames(result[2])"))))


def test_a_constant_is_found_through_imports_and_classes() -> None:
    found = {
        (item.path, item.symbol, item.line, len(item.raised))
        for item in shared(
            project(
                a="class Late(Exception): ...\nLATE = Late()\nNOT_AN_ERROR = object()\n",
                b="""
from a import LATE, NOT_AN_ERROR
GONE = OSError("gone")

class Client:
    CLOSED = ValueError("closed")

    def call(self):
        raise self.CLOSED

def f():
    raise LATE

def g():
    raise GONE

def h():
    raise GONE

def i():
    raise NOT_AN_ERROR
""",
            )
        )
    }
    assert found == {("a.py", "a.LATE", 0, 1), ("b.py", "b.GONE", 3, 2), ("b.py", "b.Client.CLOSED", 0, 1)}


def test_a_frame_holds_what_a_call_returned_and_it_raises() -> None:
    found = held_by_frame(
        project(
            a="""
def read(parser, other):
    answer = parser.next()
    if isinstance(answer, OSError):
        raise answer
    made = ValueError(answer)
    if isinstance(other, OSError):
        raise other
    for error in parser.errors():
        if isinstance(error, OSError):
            raise error
    raise made
"""
        )
    )
    assert [item.line for _, item in found] == [5]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("new:pkg.TimeoutError", True),
        ("new:Stop", True),
        ("call:socket.gaierror", True),
        ("call:make_error", False),
        ("new:SystemExit", False),
        ("new:Lock", False),
        ("const:None", False),
    ],
)
def test_what_is_an_exception(tag: str, expected: bool) -> None:
    assert is_exception(project(a="class Stop(Exception): ...\n"), "a.py", tag) is expected


def test_a_list_of_errors_that_its_own_frame_raises_from() -> None:
    text = """
def connect(hosts):
    errors = []
    for host in hosts:
        try:
            return host.connect()
        except OSError as error:
            errors.append(error)
    try:
        raise errors[0]
    finally:
        CLEAR
"""
    assert [item.line for _, item in held_by_frame(project(a=text.replace("CLEAR", "pass")))] == [10]
    assert not list(held_by_frame(project(a=text.replace("CLEAR", "del errors"))))


def test_an_attribute_that_remembers_what_went_wrong() -> None:
    text = """
class Stream:
    def feed(self):
        try:
            self.read()
        except OSError as error:
            self.broken = error

    def get(self):
        if self.broken:
            raise self.broken

    def close(self):
        CLEAR
"""
    (item,) = remembered(project(a=text.replace("CLEAR", "pass")))
    assert (item.owner, item.line, [r.line for r in item.raised]) == ("i:Stream.broken", 7, [11])
    assert not list(remembered(project(a=text.replace("CLEAR", "self.broken = None"))))
