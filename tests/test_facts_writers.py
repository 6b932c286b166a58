"""Writes in a loop: to what, and does the loop wait?"""

from __future__ import annotations

import pytest

from leakaudit.facts.concurrency.writers import floods
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project

TEXT = """
import asyncio

async def handle({parameters}):
    {opening}
    for row in rows:
        writer.write(row)
        {inside}
    {after}
"""


def drains(parameters: str, opening: str = "pass", inside: str = "pass", after: str = "pass") -> list[str]:
    text = TEXT.format(parameters=parameters, opening=opening, inside=inside, after=after)
    return [flood.evidence[1].value for flood in floods(Project({"a.py": extract(text)}))]


@pytest.mark.parametrize(
    ("parameters", "opening"),
    [
        ("rows, reader, writer", "pass"),
        ("rows, writer: asyncio.StreamWriter", "pass"),
        ("rows", "reader, writer = await asyncio.open_connection('h', 1)"),
    ],
)
def test_a_stream_writer_is_known_by_where_it_comes_from(parameters: str, opening: str) -> None:
    assert drains(parameters, opening) == ["none"]
    assert drains(parameters, opening, after="await writer.drain()") == ["late"]
    assert drains(parameters, opening, inside="await writer.drain()") == []


@pytest.mark.parametrize(
    ("parameters", "opening"), [("rows, writer", "pass"), ("rows", "writer = open('x', 'w')")]
)
def test_any_other_writer_is_not_ours(parameters: str, opening: str) -> None:
    assert drains(parameters, opening) == []
