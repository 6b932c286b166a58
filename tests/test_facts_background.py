"""Tasks that nobody ends, and how sure that is."""

from __future__ import annotations

import pytest

from leakaudit.facts.concurrency.background import endless, lost_races
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project

RACE = """
import asyncio

async def job(stop):
    {coroutine}

async def handle_message(stop):
    await asyncio.wait([asyncio.create_task(job(stop)), asyncio.create_task(asyncio.sleep(1))], return_when=asyncio.FIRST_COMPLETED)
"""


@pytest.mark.parametrize(
    ("coroutine", "pace"),
    [
        ("await stop.wait()", ["waits"]),
        ("while not stop.is_set():\n        await asyncio.sleep(1)", ["waits"]),
        ("await asyncio.sleep(3)", []),
        ("stop.work()", ["unknown"]),
    ],
)
def test_only_what_may_wait_for_ever_is_a_suspect(coroutine: str, pace: list[str]) -> None:
    project = Project({"a.py": extract(RACE.format(coroutine=coroutine))})
    assert [d.evidence[1].value for d in lost_races(project)] == pace


LOOP = """
import asyncio
from contextlib import asynccontextmanager

async def tick(app):
    while True:
        {pause}

{starter}
"""
LIFESPAN = "@asynccontextmanager\nasync def lifespan(app):\n    {start}\n    yield\n"
START = "asyncio.create_task(tick(app))"


def left_running(
    pause: str = "await asyncio.sleep(1)", starter: str = LIFESPAN.format(start=START)
) -> list[str]:
    return [d.text for d in endless(Project({"a.py": extract(LOOP.format(pause=pause, starter=starter))}))]


def test_a_loop_that_outlives_the_context_that_starts_it_is_told() -> None:
    assert left_running() == ["tick"]


@pytest.mark.parametrize(
    "pause",
    [
        "await asyncio.sleep(1)\n        if app.closed:\n            break",
        "await asyncio.sleep(1)\n        if app.closed:\n            return",
        "await app.receive()",
    ],
)
def test_a_loop_with_a_way_out_ends_by_itself(pause: str) -> None:
    assert left_running(pause) == []


@pytest.mark.parametrize(
    "starter",
    [
        LIFESPAN.format(start=f"task = {START}"),
        "async def f(app):\n    async with asyncio.TaskGroup() as group:\n        group.create_task(tick(app))\n",
        "class A:\n    async def start(self, app):\n        self.t = asyncio.create_task(tick(app))\n    def stop(self):\n        self.t.cancel()\n",
    ],
)
def test_a_handle_that_is_kept_in_reach_is_silence(starter: str) -> None:
    assert left_running(starter=starter) == []


def test_an_attribute_that_nothing_cancels_is_no_reach() -> None:
    starter = "class A:\n    async def start(self, app):\n        self.t = asyncio.create_task(tick(app))\n    def stop(self):\n        pass\n"
    assert left_running(starter=starter) == ["tick"]
