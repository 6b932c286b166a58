"""Which instances put themselves where, and who takes them out."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.holders.instances import enrolments, is_enrolling, removal
from leakaudit.facts.project import Project


def project(text: str) -> Project:
    return Project({"a.py": extract(text)})


def test_the_constructor_adds_every_instance() -> None:
    (item,) = enrolments(
        project("""
class Timer:
    all = []

    def __init__(self):
        self.all.append(self)
""")
    )
    assert (item.subject.owner, item.cls.name, item.in_constructor, item.keyed) == (
        "c:Timer.all",
        "Timer",
        True,
        False,
    )


@pytest.mark.parametrize(("key", "keyed"), [("self", False), ("id(self)", False), ("name", True)])
def test_a_key_may_be_the_instance_itself(key: str, keyed: bool) -> None:
    (item,) = enrolments(
        project(f"""
known = {{}}

class Timer:
    def __init__(self, name):
        known[{key}] = self
""")
    )
    assert item.keyed is keyed


def test_a_constructor_may_hand_itself_to_a_function() -> None:
    (item,) = enrolments(
        project("""
timers = []

def track(timer):
    timers.append(timer)

class Timer:
    def __init__(self):
        track(self)
""")
    )
    assert item.cls.name == "Timer"
    assert item.via is not None
    assert item.via.name == "track"


@pytest.mark.parametrize(
    "text",
    [
        "import weakref\nall = weakref.WeakSet()\nclass T:\n    def __init__(self):\n        all.add(self)\n",
        "all = []\nclass T:\n    def __init__(self, other):\n        all.append(other)\n",
        "class Meta(type):\n    all = []\n    def __new__(mcs, *a):\n        made = super().__new__(mcs, *a)\n        mcs.all.append(made)\n        return made\n",
        "class T:\n    def __init__(self):\n        self.own = []\n        self.own.append(self)\n",
    ],
)
def test_what_is_no_enrolment(text: str) -> None:
    assert not list(enrolments(project(text)))


@pytest.mark.parametrize(
    ("method", "value"),
    [("__del__", "finalizer"), ("close", "effective"), ("__exit__", "effective")],
)
def test_who_takes_them_out(method: str, value: str) -> None:
    whole = project(f"""
class Timer:
    all = []

    def __init__(self):
        self.all.append(self)

    def {method}(self, *args):
        self.all.remove(self)
""")
    (item,) = enrolments(whole)
    assert removal(whole, item.subject).value == value


def test_enlisting_is_told_by_name() -> None:
    (item,) = enrolments(project("all = []\nclass T:\n    def start(self):\n        all.append(self)\n"))
    assert is_enrolling(item.method)
    assert not item.in_constructor
