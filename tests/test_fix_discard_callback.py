"""A set of tasks lets go of each when it is done."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fixing import fixed, mended

TASKS = """\
import asyncio

_tasks = set()


async def handle_message(message):
    # keep it alive
    job = asyncio.create_task(message.process())
    _tasks.add(job)  # strongly
    return job
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


def test_the_task_is_discarded_when_it_is_done(app: Path) -> None:
    after = fixed(app, TASKS)
    assert after == TASKS.replace(
        "  # strongly\n", "  # strongly\n    job.add_done_callback(_tasks.discard)\n"
    )
    space: dict[str, object] = {}
    exec(after, space)

    async def run() -> None:
        class Message:
            async def process(self) -> None:
                pass

        await (await space["handle_message"](Message()))  # type: ignore[operator]
        await asyncio.sleep(0)

    asyncio.run(run())
    assert space["_tasks"] == set()


def test_what_has_no_name_gets_one(app: Path) -> None:
    text = TASKS.replace(
        "job = asyncio.create_task(message.process())\n    _tasks.add(job)",
        "_tasks.add(asyncio.create_task(message.process()))",
    ).replace("    return job\n", "")
    after = fixed(app, text)
    assert after.endswith("""\
    # keep it alive
    task = asyncio.create_task(message.process())
    _tasks.add(task)  # strongly
    task.add_done_callback(_tasks.discard)
""")
    taken = text.replace("(message)", "(message, task)")
    assert fixed(app, taken, unsafe=True) == taken


@pytest.mark.parametrize(
    "use",
    [
        "async def stop():\n    for task in _tasks:\n        await task\n",
        "async def stop():\n    return [await task for task in list(_tasks)]\n",
        "def stop():\n    for task in _tasks:\n        print(task.result())\n",
        "async def stop():\n    return await asyncio.gather(*_tasks)\n",
    ],
)
def test_it_is_unsafe_where_the_results_are_read(app: Path, use: str) -> None:
    text = f"{TASKS}\n\n{use}"
    result = mended(app, text)
    assert not result.changes
    assert [finding.fix.safe for finding in result.report.shown if finding.fix] == [False]


@pytest.mark.parametrize(
    "use",
    [
        "async def stop():\n    for task in _tasks:\n        task.cancel()\n",
        "async def stop():\n    await asyncio.gather(*_tasks)\n",
        "def busy():\n    return len(_tasks)\n",
    ],
)
def test_it_is_safe_where_they_are_not(app: Path, use: str) -> None:
    assert "add_done_callback" in fixed(app, f"{TASKS}\n\n{use}")


def test_a_future_calls_back_in_its_thread(app: Path) -> None:
    text = """\
from concurrent.futures import ThreadPoolExecutor

_pool = ThreadPoolExecutor()
_running = set()


def handle_request(request):
    _running.add(_pool.submit(request.run))
"""
    assert not mended(app, text).changes
    assert "future.add_done_callback(_running.discard)\n" in fixed(app, text, unsafe=True)


@pytest.mark.parametrize(
    "text",
    [
        TASKS.replace("set()", "[]").replace(".add(", ".append("),
        TASKS.replace("    _tasks.add(job)", "    x = 1; _tasks.add(job)"),
        TASKS.replace("job = asyncio.create_task(message.process())", "job = message.task"),
    ],
    ids=["list", "with something else", "made elsewhere"],
)
def test_anything_else_is_left_alone(app: Path, text: str) -> None:
    assert fixed(app, text, unsafe=True) == text
