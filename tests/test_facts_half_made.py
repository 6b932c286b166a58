"""Constructors that raise with something open."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.owning.half_made import unclosed
from leakaudit.facts.project import Project

CLASS = """
from concurrent.futures import ThreadPoolExecutor
class Server:
    def __init__(self, timeout, pool=None):
{body}
    def close(self):
        self.pool.shutdown()
"""
LEFT = {
    "argument asked too late": "self.pool = ThreadPoolExecutor()\nif timeout < 0:\n    raise ValueError(timeout)",
    "kept error": "self.pool = ThreadPoolExecutor()\nself.error = self.start()\nif self.error:\n    raise self.error",
}
SAFE = {
    "asked first": "if timeout < 0:\n    raise ValueError(timeout)\nself.pool = ThreadPoolExecutor()",
    "the other branch": "if timeout:\n    self.pool = ThreadPoolExecutor()\nelse:\n    raise ValueError(timeout)",
    "closed before": "self.pool = ThreadPoolExecutor()\nif not timeout:\n    self.close()\n    raise ValueError(timeout)",
    "about itself": "self.pool = pool or ThreadPoolExecutor()\nif self.pool.broken:\n    raise ValueError(timeout)",
    "a file": "self.pool = open(timeout)\nif timeout < 0:\n    raise ValueError(timeout)",
}


def told(body: str) -> list[str]:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return [found.name for found in unclosed(Project({"m.py": extract(CLASS.format(body=lines))}))]


@pytest.mark.parametrize("body", LEFT.values(), ids=LEFT)
def test_nobody_has_the_object_to_close_it(body: str) -> None:
    assert told(body) == ["pool"]


@pytest.mark.parametrize("body", SAFE.values(), ids=SAFE)
def test_nothing_is_left(body: str) -> None:
    assert told(body) == []
