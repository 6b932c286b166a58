"""Ways out of a function that leave in what its other ways take out."""

from __future__ import annotations

import textwrap

import pytest

from leakaudit.facts.extract import extract

FUNCTION = """
class Door:
    async def enter(self, key, ready):
{}
"""


def ways(body: str) -> list[tuple[str, int]]:
    facts = extract(FUNCTION.format(textwrap.indent(textwrap.dedent(body).strip(), " " * 8)))
    return [(item.how, item.exit_line - 3) for item in facts.abandoned]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("self.d[key] = 1\nif ready:\n    raise ValueError\ndel self.d[key]", [("raise", 3)]),
        ("self.d[key] = 1\nif ready:\n    return\nself.d.pop(key)", [("return", 3)]),
        ("self.d.add(key)\nawait ready\nself.d.discard(key)", [("wait", 2)]),
        (
            "with self.lock:\n    self.d.append(key)\nif ready:\n    return\nself.d.remove(key)",
            [("return", 4)],
        ),
        ("for x in key:\n    self.d.add(x)\n    await ready\n    self.d.remove(x)", [("wait", 3)]),
        ("ev = make()\nself.d[key] = ev\nev.wait(timeout=3)", [("unanswered", 3)]),
        ("self.d[key] = ev = make()\nawait wait_for(ev, 3)", [("unanswered", 2)]),
    ],
)
def test_a_way_out_that_leaves_an_entry_in(body: str, found: list[tuple[str, int]]) -> None:
    assert ways(body) == found


@pytest.mark.parametrize(
    "body",
    [
        "self.d[key] = 1\ntry:\n    await ready\nfinally:\n    del self.d[key]",
        "self.d[key] = 1\ntry:\n    await ready\nexcept BaseException:\n    del self.d[key]\n    raise\ndel self.d[key]",
        "self.d[key] = await ready\ndel self.d[key]",
        "self.d[key] = 1\nif ready:\n    del self.d[key]\n    return\nreturn key",
        "if ready:\n    self.d[key] = 1\n    return\ndel self.d[key]",
        "self.d[key] = 1\nif ready:\n    return\nself.d.pop('other')",
        "self.d[key] = 1\nif key in self.d:\n    del self.d[key]",
        "while True:\n    self.d.add(key)\n    if ready:\n        self.d.remove(key)\n        break",
        "d = {}\nd[key] = 1\nif ready:\n    return\ndel d[key]",
        "ev = make()\nself.d[key] = ev\nev.add_done_callback(self.gone)\nev.result(timeout=3)",
        "ev = make()\nself.d[key] = ev\nawait ev",
    ],
)
def test_ways_out_that_leave_nothing(body: str) -> None:
    assert ways(body) == []
