"""Which queues without a bound can really grow?"""

from __future__ import annotations

import pytest

from leakaudit.facts.concurrency.queues import backlogs
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project

SESSION = """
import asyncio

class Session:
    def __init__(self):
        self._queue = asyncio.Queue({size})

    async def on_message(self, message):
        {put}

    {take}
"""
PUT = "await self._queue.put(message)"
GET = "async def get(self):\n        return await self._queue.get()"


def facts(size: str = "", put: str = PUT, take: str = GET) -> list[dict[str, str]]:
    project = Project({"a.py": extract(SESSION.format(size=size, put=put, take=take))})
    return [{e.fact: e.value for e in backlog.evidence} for backlog in backlogs(project)]


def test_a_queue_per_session_that_somebody_else_reads_is_told() -> None:
    assert facts() == [{"consumer": "elsewhere", "context": "likely-event", "put": "await", "owner": "many"}]


@pytest.mark.parametrize(
    ("size", "put", "take"),
    [
        ("maxsize=10", PUT, GET),
        ("", "await self._queue.put(None)", GET),
        ("", "if self._queue.qsize() > 9:\n            return\n        " + PUT, GET),
        ("", PUT + "\n        self.transport.pause_reading()", GET),
        ("", PUT, "async def run(self):\n        while True:\n            (await self._queue.get()).go()"),
        ("", PUT, "def start(self):\n        Worker(self._queue)"),
    ],
)
def test_a_bound_a_signal_a_brake_or_an_own_loop_is_silence(size: str, put: str, take: str) -> None:
    assert facts(size, put, take) == []


def test_a_queue_that_nothing_reads_is_told_apart() -> None:
    (told,) = facts(take="def size(self):\n        return self._queue.qsize()")
    assert told["consumer"] == "none"


HUB = """
import asyncio

class Hub:
    def __init__(self):
        self.queues = {{}}

    def subscribe(self, name):
        self.queues[name] = asyncio.Queue({size})

    def on_event(self, event):
        {put}
"""


@pytest.mark.parametrize(
    ("size", "put", "told"),
    [
        ("", "for queue in self.queues.values():\n            queue.put_nowait(event)", ["all"]),
        ("", "self.queues[event.name].put_nowait(event)", ["one"]),
        ("maxsize=9", "for queue in self.queues.values():\n            queue.put_nowait(event)", []),
        ("9", "self.queues[event.name].put_nowait(event)", []),
    ],
)
def test_one_queue_each_is_told_by_who_gets_what(size: str, put: str, told: list[str]) -> None:
    project = Project({"a.py": extract(HUB.format(size=size, put=put))})
    assert [next(e.value for e in b.evidence if e.fact == "put") for b in backlogs(project)] == told
