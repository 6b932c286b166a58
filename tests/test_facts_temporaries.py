"""What is opened without a name: told only where nobody else can close it."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.owning.temporaries import unclosed
from leakaudit.facts.project import Project

HEAD = "import contextlib, json, grpc\n"
OPEN = {
    "read": "def f(path):\n    return open(path).read()\n",
    "parsed": "def f(path):\n    return json.load(path.open())\n",
    "iterated": "def f(path):\n    for line in open(path):\n        print(line)\n",
    "wrapped in what nothing keeps": "def f(path):\n    return Reader(open(path)).rows()\n",
    "yielded by a manager": "@contextlib.contextmanager\ndef f(path):\n    yield open(path)\n",
    "given to a stub": "def f(target):\n    return Stub(grpc.insecure_channel(target))\n",
}
CLOSED = {
    "closed at once": "def f(path):\n    open(path, 'w').close()\n",
    "given away": "def f(path, sink):\n    sink.take(open(path))\n",
    "kept by a reader": "def f(path):\n    reader = Reader(open(path))\n    return reader\n",
    "yielded by a generator": "def f(path):\n    yield open(path)\n",
    "at module level": "text = open('banner.txt').read()\n",
    "entered": "def f(path):\n    with open(path) as stream:\n        return stream.read()\n",
    "something else that opens": "def f(door):\n    door.open().read()\n",
}


def told(text: str) -> list[str]:
    return [found.why for found in unclosed(Project({"m.py": extract(HEAD + text)}))]


@pytest.mark.parametrize("text", OPEN.values(), ids=OPEN)
def test_it_has_no_name_to_be_closed_by(text: str) -> None:
    assert told(text) == ["has no name, so only the collector can close it"]


@pytest.mark.parametrize("text", CLOSED.values(), ids=CLOSED)
def test_somebody_can_close_it(text: str) -> None:
    assert told(text) == []


def test_a_function_is_told_of_once() -> None:
    assert len(told("def f(a, b):\n    return open(a).read() + open(b).read()\n")) == 1
