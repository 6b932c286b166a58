"""What turns a container that grows into a harmless one: each case beside the leak that it would else be."""

from __future__ import annotations

import pytest

from leakaudit.facts import judge
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project

MEDIUM = 3


def score(text: str, name: str, path: str = "app/server.py") -> int:
    """The score of the container of that name; -99 where something really bounds it."""
    folders = [f"app/{folder}/__init__.py" for folder in ("", "examples", "testing", "cli")]
    project = Project({path: extract(text), **{f.replace("//", "/"): extract("") for f in folders}})
    subject = next(s for s in project.subjects.values() if s.name == name)
    growth = judge.growing(project, subject)
    return growth.score if growth is not None else -99


LEAK = """
seen = []

def handle_request(request):
    {first}
    seen.append(request.job_id)
"""


def test_the_plain_list_is_a_suspect() -> None:
    assert score(LEAK.format(first="request.check()"), "seen") >= MEDIUM


@pytest.mark.parametrize("test", ["if seen: return", "if len(seen): return"])
def test_what_is_filled_only_while_empty_is_none(test: str) -> None:
    assert score(LEAK.format(first=test), "seen") < MEDIUM


def test_what_is_asked_before_it_is_added_counts_by_its_values() -> None:
    text = "seen = []\ndef handle_request(request):\n    if request.mode in seen: return\n    seen.append(request.mode)\n"
    assert score(text, "seen") < MEDIUM
    assert score(text.replace("in seen", "in known"), "seen") >= MEDIUM


@pytest.mark.parametrize("path", ["app/examples/server.py", "app/testing/server.py", "app/cli/server.py"])
def test_examples_commands_and_helpers_of_tests_count_less(path: str) -> None:
    text = LEAK.format(first="request.check()")
    assert score(text, "seen", path) < score(text, "seen")


CLASS = """
class Manager:
    def __init__(self):
        self.jobs = {{}}

    def handle_request(self, request):
        self.jobs[{key}] = request

{rest}
"""


def test_a_member_of_an_enum_is_one_of_few() -> None:
    assert score(CLASS.format(key="request.job_id", rest=""), "jobs") >= MEDIUM
    assert score(CLASS.format(key="Color.red.value", rest=""), "jobs") < MEDIUM


def test_a_helper_that_is_given_the_container_empties_it() -> None:
    helper = "    def finish(self, request):\n        self._discard(self.jobs, request.job_id)\n"
    assert score(CLASS.format(key="request.job_id", rest=helper), "jobs") == -99


def test_what_a_loop_empties_is_no_end_of_its_owner() -> None:
    clear = "    def clear(self):\n        self.jobs.clear()\n"
    loop = "    def run(self):\n        while True:\n            self.wait()\n            self.clear()\n"
    assert score(CLASS.format(key="request.job_id", rest=clear + loop), "jobs") == -99
    assert score(CLASS.format(key="request.job_id", rest=clear), "jobs") > -99


def test_what_a_copy_gains_stays_its_own() -> None:
    text = "seen = []\ndef handle_request(request):\n    mine = {}\n    mine.append(request.job_id)\n"
    assert score(text.format("seen"), "seen") >= MEDIUM
    assert score(text.format("seen.copy()"), "seen") == -99
    assert score(text.format("list(seen)"), "seen") == -99


def test_a_method_that_only_the_constructor_calls_fills_and_does_not_grow() -> None:
    text = """
class Manager:
    def __init__(self, names):
        self.jobs = {}
        for name in names:
            self.add(name)

    def add(self, job_id):
        self.jobs[job_id] = 1
"""
    assert score(text, "jobs") < MEDIUM
    called = text + "\ndef handle_request(manager: Manager, request):\n    manager.add(request.job_id)\n"
    assert score(called, "jobs") >= MEDIUM


def test_a_metaclass_puts_in_classes() -> None:
    text = "class Meta({}):\n    made = {{}}\n    def __call__(cls):\n        Meta.made[cls] = 1\n"
    assert score(text.format("type"), "made") < MEDIUM


def test_a_queue_that_is_handed_over_has_a_consumer() -> None:
    text = """
import asyncio

class Client:
    def __init__(self):
        self.events = asyncio.Queue()
        {start}

    def handle_event(self, event):
        self.events.put_nowait(event)
"""
    handed = text.format(start="start_consumer(self.events)")
    assert score(handed, "events") <= score(text.format(start="pass"), "events") - 4
