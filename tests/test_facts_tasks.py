"""Do tasks leave their container when they are done?"""

from __future__ import annotations

import pytest

from leakaudit.facts.concurrency import tasks
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project

SERVER = """
import asyncio, subprocess, threading

class Server:
    def __init__(self):
        self._kept = []

    async def serve_forever(self):
        while True:
            await self.handle()

    async def handle(self):
        {put}

{more}

server = Server()
"""


def grade(put: str, more: str = "    pass") -> str | None:
    project = Project({"a.py": extract(SERVER.format(put=put, more=more))})
    (subject,) = (s for s in project.subjects.values() if s.name == "_kept")
    if not tasks.holds_tasks(subject):
        return None
    retained = tasks.retained(project, subject)
    return retained.cleanup.grade if retained is not None else "left"


@pytest.mark.parametrize(
    "put",
    [
        "self._kept.append(asyncio.create_task(self.work()))",
        "task = asyncio.ensure_future(self.work())\n        self._kept.append(task)",
        "self._kept.append(threading.Thread(target=print))",
        "self._kept.append(subprocess.Popen(['ls']))",
    ],
)
def test_what_is_started_and_put_in_stays(put: str) -> None:
    assert grade(put) == "none"


def test_emptying_while_stopping_everything_is_no_cleanup() -> None:
    more = "    def _cancel_all_tasks(self):\n        for t in self._kept:\n            t.cancel()\n        self._kept = []"
    assert grade("self._kept.append(asyncio.create_task(self.work()))", more) == "clear-only"


@pytest.mark.parametrize(
    ("put", "more"),
    [
        (
            "t = asyncio.create_task(self.work())\n        self._kept.append(t)\n        t.add_done_callback(self._kept.remove)",
            "    pass",
        ),
        (
            "self._kept.append(asyncio.create_task(self.work()))\n        await self.flush()",
            "    async def flush(self):\n        await asyncio.gather(*self._kept)\n        self._kept.clear()",
        ),
        (
            "self._kept = [t for t in self._kept if not t.done()]\n        self._kept.append(asyncio.create_task(self.work()))",
            "    pass",
        ),
    ],
)
def test_what_leaves_in_time_is_silence(put: str, more: str) -> None:
    assert grade(put, more) == "left"


def test_a_list_of_something_else_holds_no_tasks() -> None:
    assert grade("self._kept.append(self.task.get(1))") is None
