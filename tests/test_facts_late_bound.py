"""Callbacks made in a loop that ask for the loop's variable when they run."""

from __future__ import annotations

import textwrap

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.growth.late_bound import late_bound
from leakaudit.facts.project import Project

LOOP = """
class Updates:
    def dispatch(self, updates, task):
        for update in updates:
            {}
"""


def names(body: str) -> list[str]:
    code = LOOP.format(textwrap.indent(textwrap.dedent(body).strip(), " " * 12).strip())
    return [item.name for item in late_bound(Project({"a.py": extract(code)}))]


@pytest.mark.parametrize(
    "body",
    [
        "t = make(update)\nself.s.add(t)\nt.add_done_callback(lambda _: self.s.discard(t))",
        "t = make(update)\nself.d[t] = update\nt.add_done_callback(lambda _: self.d.pop(t, None))",
        "t = make(update)\nself.s.add(t)\ndef gone(_):\n    self.s.discard(t)\nt.add_done_callback(gone)",
    ],
)
def test_the_last_of_the_loop_is_taken_out_by_all(body: str) -> None:
    assert names(body) == ["t"]


@pytest.mark.parametrize(
    "body",
    [
        "t = make(update)\nself.s.add(t)\nt.add_done_callback(self.s.discard)",
        "t = make(update)\nself.s.add(t)\nt.add_done_callback(lambda t: self.s.discard(t))",
        "t = make(update)\nself.s.add(t)\nt.add_done_callback(lambda _, t=t: self.s.discard(t))",
        "self.s.add(task)\ntask.add_done_callback(lambda _: self.s.discard(task))",
        "t = make(update)\nself.s.add(t)\nt.wait()\nself.s.discard(t)",
    ],
)
def test_each_takes_out_its_own(body: str) -> None:
    assert names(body) == []
