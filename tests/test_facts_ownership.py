"""What does a call make: a resource itself, or what a function of the project made and returns?"""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.owning.owned_locals import unclosed
from leakaudit.facts.owning.ownership import Resource, closes, is_teardown, made_by
from leakaudit.facts.project import Project

TEXT = """
import socket
from concurrent import futures
from http.client import HTTPConnection as Connection

class Client:
    def __init__(self, host):
        self.host = host
        self.sock = None

    def _new_connection(self):
        sock = socket.create_connection(self.host)
        return sock

    def current(self):
        return self.sock

def make_client(host):
    return Connection(host)
"""


@pytest.mark.parametrize(
    ("maker", "kind"),
    [
        ("b:open", "file"),
        ("x:socket.socket", "socket"),
        ("x:concurrent.futures.ThreadPoolExecutor", "executor"),
        ("i:Client._new_connection", "socket"),
        ("m:make_client", "connection"),
        ("i:Client.current", None),
        ("m:Client", None),
        ("?:open", None),
        ("x:somewhere.Session", None),
    ],
)
def test_makers_are_known_by_their_full_name_or_by_what_they_return(maker: str, kind: str | None) -> None:
    made = made_by(Project({"a.py": extract(TEXT)}), "a.py", -1, maker)
    assert (made.kind if made is not None else None) == kind


def test_a_loop_that_is_stopped_is_not_closed() -> None:
    assert closes("shutdown_pool", Resource("executor", 3))
    assert not closes("shutdown_loop", Resource("event loop", 3))
    assert closes("close_loop", Resource("event loop", 3))


def test_teardown_methods_are_known_by_name() -> None:
    assert is_teardown("aclose")
    assert is_teardown("_cleanup")
    assert not is_teardown("close_fd")


def told(body: str, more: str = "") -> list[tuple[str, str]]:
    text = f"import socket\n{more}\ndef handle_message(path, host):\n{body}"
    return [(u.name, u.scope) for u in unclosed(Project({"a.py": extract(text)}))]


def test_a_function_of_the_project_that_only_reads_does_not_take_it_over() -> None:
    body = "    x = open(path)\n    count(x)\n"
    assert told(body, "def count(file):\n    return len(file.read())\n") == [("x", "end")]
    assert told(body, "def count(file):\n    file.close()\n") == []
    assert told(body, "class K:\n    pass\ndef count(file):\n    KEPT.file = Reader(file)\n") == []
    assert told(body) == []


def test_a_class_of_the_project_that_closes_nothing_holds_nothing() -> None:
    body = "    x = Channel(host)\n    host.go()\n    x.close()\n"
    assert told(body, "class Channel:\n    def close(self):\n        self.sock.close()\n") == [("x", "raise")]
    assert told(body, "class Channel:\n    def close(self):\n        pass\n") == []


@pytest.mark.parametrize(("use", "told"), [("x.mount('https://', other)", False), ("x.get(other)", True)])
def test_what_was_not_used_yet_holds_no_connection(use: str, told: bool) -> None:
    text = f"import requests\ndef f(other):\n    x = requests.Session()\n    {use}\n    other.go()\n    return x\n"
    found = [sum(e.weight for e in u.evidence) for u in unclosed(Project({"a.py": extract(text)}))]
    assert [score >= 3 for score in found] == [told]


SIBLING = "def handle_other(db):\n    c = db.cursor()\n    try:\n        c.execute(Q)\n    finally:\n        c.close()\n"


@pytest.mark.parametrize(
    ("body", "more", "expected"),
    [
        ("    x = host.cursor()\n    x.execute(path)\n    return x.fetchone()\n", SIBLING, [("x", "return")]),
        ("    x = host.cursor()\n    x.execute(path)\n    return x.fetchone()\n", "", []),
        ("    x = host.cursor()\n    return x\n", SIBLING, []),
        ("    _ = host.cursor()\n", SIBLING, []),
        ("    x = host.cursor()\n    x.execute(path)\n    host.close()\n", SIBLING, []),
        ("    with path() as db:\n        x = db.cursor()\n        x.run()\n", SIBLING, []),
        ("    x = host.fetch()\n    x.read()\n", SIBLING.replace("cursor", "fetch"), []),
        ("    x = host.get_cursor()\n    x.run()\n", SIBLING.replace("cursor", "get_cursor"), []),
        (
            "    x = cursor()\n    x.execute(path)\n",
            SIBLING.replace("db.cursor", "cursor") + "def cursor():\n    return KEPT.cursor()\n",
            [("x", "end")],
        ),
        (
            "    x = cursor(host)\n    x.execute(path)\n",
            SIBLING.replace("db.cursor()", "cursor(db)") + "def cursor(c):\n    return c\n",
            [],
        ),
    ],
)
def test_what_a_sibling_closes_is_to_be_closed_here_too(
    body: str, more: str, expected: list[tuple[str, str]]
) -> None:
    assert told(body, more) == expected
