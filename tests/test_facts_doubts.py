"""What must not be taken for a leak, or not for a sure one."""

from __future__ import annotations

import pytest

from leakaudit.facts.concurrency.loop_threads import deaf, unstopped
from leakaudit.facts.extract import extract
from leakaudit.facts.growth import cleanup, judge
from leakaudit.facts.holders.context_chains import context_chains
from leakaudit.facts.holders.own_registrations import forgotten
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.project import Project


def project_of(text: str, path: str = "a.py") -> Project:
    folders = [path[:end] for end, letter in enumerate(path) if letter == "/"]
    return Project({path: extract(text), **{f"{folder}/__init__.py": extract("") for folder in folders}})


def growth(text: str, owner: str, path: str = "a.py") -> judge.Growth:
    project = project_of(text, path)
    found = judge.growing(project, project.subjects[Place(path, owner)])
    assert found is not None
    return found


STACK = """
class Session:
    stack = []

    def __enter__(self):
        Session.stack.append(self)

    def {leave}(self):
        Session.stack.{take}
"""


@pytest.mark.parametrize(
    ("leave", "take", "grade"),
    [
        ("__exit__", "pop()", "paired"),
        ("__exit__", "clear()", "clear-only"),
        ("close", "clear()", "clear-only"),
    ],
)
def test_leaving_pops_what_entering_pushed(leave: str, take: str, grade: str) -> None:
    project = project_of(STACK.format(leave=leave, take=take))
    assert cleanup.grade(project, project.subjects[Place("a.py", "c:Session.stack")]).grade == grade


@pytest.mark.parametrize(
    ("name", "domain"),
    [("func", "likely-finite"), ("handler_class.module", "likely-finite"), ("request", "identity")],
)
def test_the_address_of_code_is_one_of_few(name: str, domain: str) -> None:
    parameter = name.partition(".")[0]
    text = f"seen = {{}}\n\ndef remember({parameter}):\n    key = id({name})\n    seen[key] = 1\n"
    assert growth(text, "m:seen").key.value == domain


TRIES = """
names = {{}}

def pick(value, source):
    key = hash(value)
    while True:
        {wait}
        if names.get(key) is None:
            names[key] = value
            break
        key += 1
"""


@pytest.mark.parametrize(
    ("wait", "context"), [("key += 0", "unknown"), ("value = source.recv()", "per-event")]
)
def test_a_loop_that_looks_for_a_free_place_waits_for_nothing(wait: str, context: str) -> None:
    assert growth(TRIES.format(wait=wait), "m:names").context.value == context


@pytest.mark.parametrize(("path", "doubt"), [("acme/cli/run.py", -2), ("acme/web/run.py", 0)])
def test_a_command_ends_with_its_process(path: str, doubt: int) -> None:
    found = growth("seen = {}\n\ndef handle(user_id):\n    seen[user_id] = 1\n", "m:seen", path)
    assert sum(item.weight for item in found.evidence if item.fact == "program") == doubt


THREAD = """
import asyncio, threading

class Control:
    def start(self):
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self):
        {first}
        if self._loop:
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join(2)
        self._thread = None

    def _run(self):
        self._loop = asyncio.new_event_loop()
        self._loop.run_forever()
"""


@pytest.mark.parametrize(("first", "names"), [("pass", ["_thread"]), ("self._ready.wait(2)", [])])
def test_a_thread_is_deaf_until_it_has_said_how_to_reach_it(first: str, names: list[str]) -> None:
    assert [item.name for item in deaf(project_of(THREAD.format(first=first)))] == names


LOOP = """
import threading

class Control:
    def start(self, make):
        self.loop = make()
        threading.Thread(target={target}).start()

    def run_forever(self):
        while not self.stopping:
            self.step()
"""


@pytest.mark.parametrize(("target", "names"), [("self.loop.run_forever", ["loop"]), ("self.run_forever", [])])
def test_a_loop_of_its_own_is_no_loop_that_it_keeps(target: str, names: list[str]) -> None:
    assert [item.name for item in unstopped(project_of(LOOP.format(target=target)))] == names


RESULT = """
class Result:
    def then(self):
        self.backend.add_pending({given})

    def _done(self):
        self.backend.remove_pending({given})

    def forget(self):
        self.backend.drop(self.id)
        {last}
"""


@pytest.mark.parametrize(
    ("given", "last", "endings"),
    [("self", "pass", ["forget"]), ("self", "self._done()", []), ("self.id", "pass", [])],
)
def test_an_ending_takes_the_object_out_wherever_it_put_itself(
    given: str, last: str, endings: list[str]
) -> None:
    found = forgotten(project_of(RESULT.format(given=given, last=last)))
    assert [item.ending.name for item in found] == endings


CHAIN = """
import contextvars, weakref

current = contextvars.ContextVar("current")

class Call:
    def __init__(self):
        self.context = {context}

def enter(call: Call):
    current.set({value})
"""


@pytest.mark.parametrize(
    ("context", "value", "names"),
    [
        ("contextvars.copy_context()", "call", ["current"]),
        ("contextvars.copy_context()", "weakref.ref(call)", []),
        ("None", "call", []),
    ],
)
def test_a_value_that_keeps_its_context_keeps_the_value_before(
    context: str, value: str, names: list[str]
) -> None:
    assert [
        link.name for link in context_chains(project_of(CHAIN.format(context=context, value=value)))
    ] == names


TRACKER = """
from dataclasses import dataclass

@dataclass
class Tracker:
    seen: set

def build():
    return Tracker(set())

{user}
"""


@pytest.mark.parametrize(
    ("user", "lifetime"),
    [
        ("", "likely-long"),
        ("def turn(events):\n    tracker = Tracker(set())\n    events.walk(tracker)", "unknown"),
    ],
)
def test_a_local_data_class_does_not_last_by_its_name(user: str, lifetime: str) -> None:
    project = project_of(TRACKER.format(user=user))
    (path,) = project.files
    assert project.lifetimes.of_class(Place(path, "Tracker")).value == lifetime
