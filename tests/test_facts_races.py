"""Which tasks are left behind when another one comes first?"""

from __future__ import annotations

import textwrap

import pytest

from leakaudit.facts.extract import extract

HEAD = "import asyncio\nasync def f(stop, queue, app):\n"
FIRST = "return_when=asyncio.FIRST_COMPLETED"


def left(body: str) -> list[tuple[str, str]]:
    facts = extract(HEAD + textwrap.indent(textwrap.dedent(body), "    "))
    return [(loser.name or loser.text, loser.cancelled) for race in facts.races for loser in race.losers]


def test_tasks_made_in_the_call_have_no_name_to_cancel_them_by() -> None:
    body = (
        f"await asyncio.wait([asyncio.create_task(stop.wait()), asyncio.create_task(queue.get())], {FIRST})"
    )
    assert left(body) == [("stop.wait()", "no"), ("queue.get()", "no")]


def test_a_cancel_that_asks_whether_the_other_is_done_is_conditional() -> None:
    body = f"""
    a = asyncio.create_task(stop.wait())
    b = asyncio.create_task(queue.get())
    await asyncio.wait([a, b], {FIRST})
    if not a.done() and not b.done():
        a.cancel()
    b.cancel()
    """
    assert left(body) == [("a", "conditional")]


HANDLED = {
    "pending is looked at": f"done, pending = await asyncio.wait([asyncio.create_task(stop.wait())], {FIRST})\nfor t in pending:\n    t.cancel()",
    "cancelled in finally": f"a = asyncio.create_task(stop.wait())\ntry:\n    await asyncio.wait([a], {FIRST})\nfinally:\n    a.cancel()",
    "the winner cancels": f"a = asyncio.create_task(stop.wait())\nb = asyncio.create_task(queue.get())\nawait asyncio.wait([a, b], {FIRST})\nif a.done():\n    b.cancel()\nelse:\n    a.cancel()",
    "awaited afterwards": f"a = asyncio.create_task(stop.wait())\nawait asyncio.wait([a], {FIRST})\nawait a",
    "stored": f"a = asyncio.create_task(stop.wait())\nawait asyncio.wait([a], {FIRST})\napp.task = a",
    "the list is walked": f"ts = [asyncio.create_task(e.wait()) for e in app]\nawait asyncio.wait(ts, {FIRST})\nfor t in ts:\n    t.cancel()",
    "its cancel is handed on": f"a = asyncio.create_task(stop.wait())\napp.callback(a.cancel)\nawait asyncio.wait([a], {FIRST})",
    "all of them": "await asyncio.wait([asyncio.create_task(stop.wait())])",
    "not made here": f"await asyncio.wait([stop, queue], {FIRST})",
}


@pytest.mark.parametrize("body", HANDLED.values(), ids=HANDLED)
def test_these_leave_nothing_behind(body: str) -> None:
    assert left(body) == []
