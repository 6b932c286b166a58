"""Is what an attribute holds closed when its object is?"""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.owning.owned_attributes import unclosed
from leakaudit.facts.project import Project

MANAGER = """
import threading
from concurrent.futures import ThreadPoolExecutor

class Manager:
    def __init__(self, executor=None):
        self.executor = {made}
        self.thread = threading.Thread(target=print)

    def close(self):
        self.thread.join()
        {ending}
"""


def found(ending: str, made: str = "ThreadPoolExecutor()", **others: str) -> list[str]:
    texts = {"manager.py": MANAGER.format(made=made, ending=ending)}
    texts |= {f"{name}.py": text for name, text in others.items()}
    return [u.name for u in unclosed(Project({path: extract(text) for path, text in texts.items()}))]


def test_an_attribute_that_close_forgets_is_told() -> None:
    assert found("pass") == ["executor"]


@pytest.mark.parametrize(
    "ending",
    [
        "self.executor.shutdown()",
        "executor = self.executor\n        executor.shutdown()",
        "executor, self.executor = self.executor, None\n        executor.shutdown()",
        "shutdown_quietly(self.executor)",
        "atexit.register(self.executor.shutdown)",
        "self._end = self.executor.shutdown\n        self._end()",
        "for name in ('executor',):\n            getattr(self, name).close()\n        vars(self)\n        x = getattr(self, 'executor')\n        x.close()",
    ],
)
def test_every_way_to_close_it_is_silence(ending: str) -> None:
    assert found(ending) == []


def test_a_subclass_and_a_module_that_uses_it_may_close_it() -> None:
    sub = "from manager import Manager\nclass Sub(Manager):\n    def close(self):\n        self.executor.shutdown()\n"
    user = "def run(manager):\n    manager.executor.shutdown()\n"
    assert found("pass", sub=sub) == []
    assert found("pass", manager=MANAGER.format(made="ThreadPoolExecutor()", ending="pass") + user) == []


def test_what_may_be_the_callers_own_is_less_sure() -> None:
    facts = {"manager.py": extract(MANAGER.format(made="executor or ThreadPoolExecutor()", ending="pass"))}
    (mine,) = unclosed(Project(facts))
    assert {"fact": "owner", "weight": -1}.items() <= {
        "fact": mine.evidence[-1].fact,
        "weight": mine.evidence[-1].weight,
    }.items()


def test_an_event_loop_that_is_stopped_is_not_closed() -> None:
    text = """
import asyncio
class Loop:
    def run(self):
        self.loop = asyncio.new_event_loop()
        self.loop.run_forever()
    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        shutdown_loop(self.loop)
        self.thread.join()
"""
    assert [u.name for u in unclosed(Project({"a.py": extract(text)}))] == ["loop"]
    closed = text + "        self.loop.close()\n"
    assert list(unclosed(Project({"a.py": extract(closed)}))) == []


def test_the_default_of_a_trait_is_an_attribute() -> None:
    text = """
import zmq
from traitlets import Instance
class KernelManager:
    context = Instance(zmq.Context)
    def _context_default(self):
        return zmq.Context()
    def cleanup(self):
        self.session.close()
"""
    assert [u.symbol for u in unclosed(Project({"a.py": extract(text)}))] == ["a.KernelManager.context"]


def test_closing_at_the_end_of_the_data_is_half_a_close() -> None:
    text = """
class Reader:
    def __init__(self, path):
        self.file = open(path)
    def generate(self):
        data = self.file.read()
        if not data:
            self.file.close()
        return data
"""
    assert [u.why for u in unclosed(Project({"a.py": extract(text)}))] == [
        "is closed only when its work comes to the end"
    ]
    closable = text + "    def close(self):\n        self.file.close()\n"
    assert list(unclosed(Project({"a.py": extract(closable)}))) == []


def test_what_ends_one_of_many_does_not_end_the_object() -> None:
    text = MANAGER.format(made="ThreadPoolExecutor()", ending="pass")
    one = text.replace("def close(self)", "def disconnect(self, session_id)")
    told = {u.why for t in (text, one) for u in unclosed(Project({"manager.py": extract(t)}))}
    assert told == {"is not closed when its object is", "is never closed"}


def test_a_loop_that_is_made_for_want_of_one_belongs_to_the_thread() -> None:
    text = """
import asyncio
class Worker:
    def run(self):
        try:
            self.loop = asyncio.{first}()
        except RuntimeError:
            self.loop = asyncio.{then}()
    def close(self):
        self.task.cancel()
"""
    get, new = "get_event_loop", "new_event_loop"
    assert list(unclosed(Project({"a.py": extract(text.format(first=get, then=new))}))) == []
    assert [u.name for u in unclosed(Project({"a.py": extract(text.format(first=new, then=get))}))] == [
        "loop"
    ]


def test_a_property_that_makes_it_stands_for_it() -> None:
    text = """
import requests
class Client:
    {decorator}
    def session(self):
        if self._session is None:
            self._session = requests.Session()
        return self._session
    def close(self):
        self.session.close()
        self.other.close()
"""
    told = [
        list(unclosed(Project({"a.py": extract(text.format(decorator=d))}))) for d in ("@property", "@one")
    ]
    assert [len(found) for found in told] == [0, 1]


def test_the_default_of_a_field_of_settings_is_told_by_nobody() -> None:
    text = """
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
@dataclass
class Settings:
    executor: object = field(default_factory=ThreadPoolExecutor)
"""
    assert list(unclosed(Project({"a.py": extract(text)}))) == []
    kept = "from concurrent.futures import ThreadPoolExecutor\nclass Work:\n    def __init__(self):\n        self.executor = ThreadPoolExecutor()\n"
    assert [u.name for u in unclosed(Project({"a.py": extract(kept)}))] == ["executor"]


def test_half_a_close_of_what_only_its_class_tells_is_less_sure() -> None:
    text = """
class Log:
    def __init__(self, path):
        self.file = open(path)
    def close(self):
        self.file.close()
class Storage:
    def begin(self, path):
        self.log = Log(path)
    def clear(self):
        if self.log is not None:
            self.log.close()
"""
    (half,) = unclosed(Project({"a.py": extract(text)}))
    assert (half.name, half.evidence[0].weight) == ("log", 2)


@pytest.mark.parametrize(("base", "names"), [("object", ["executor"]), ("Elsewhere", [])])
def test_only_a_base_that_can_close_may_have_closed_it(base: str, names: list[str]) -> None:
    text = MANAGER.replace("class Manager", f"class Manager({base})").format(
        made="ThreadPoolExecutor()", ending="super().close()"
    )
    assert [u.name for u in unclosed(Project({"manager.py": extract(text)}))] == names


PAIR = """
import os, socket

class Waker:
    def __init__(self):
        self.reader, self.writer = {made}

    def wake(self):
        os.write(self.writer, b"x")

    def close(self):
        {ending}
"""


@pytest.mark.parametrize(
    ("made", "ending", "names"),
    [
        ("os.pipe()", "os.close(self.reader)\n        self.other.close()", ["writer"]),
        ("os.pipe()", "os.close(self.reader)\n        os.close(self.writer)", []),
        ("socket.socketpair()", "self.reader.close()", ["writer"]),
        ("make()", "self.reader.close()", []),
    ],
)
def test_both_ends_of_a_pair_have_to_be_closed(made: str, ending: str, names: list[str]) -> None:
    text = PAIR.format(made=made, ending=ending)
    assert [u.name for u in unclosed(Project({"waker.py": extract(text)}))] == names
