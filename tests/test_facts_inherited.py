"""Containers that a subclass binds again, and keys that are compared by value."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project

BASE = """
class Pool:
    def __init__(self):
        self.conns = []

    def release(self, conn):
        self.conns.append(conn)
"""
SUB = """
class FastPool(Pool):
    def {name}(self):
        self.conns = []
"""


def owners(text: str) -> dict[str, str]:
    """Owner of each container -> the grade of its clean-up."""
    project = Project({"pool.py": extract(text)})
    return {place.name: project.cleanup(s).grade for place, s in project.subjects.items()}


def test_what_a_subclass_binds_again_empties_what_its_base_made() -> None:
    assert owners(BASE) == {"i:Pool.conns": "none"}
    assert owners(BASE + SUB.format(name="renew")) == {"i:Pool.conns": "paired"}


def test_what_the_constructor_of_a_subclass_binds_is_its_own() -> None:
    assert set(owners(BASE + SUB.format(name="__init__"))) == {"i:Pool.conns", "i:FastPool.conns"}


KEYED = """
{decorator}
class Scope:
{body}

class Provider:
    def __init__(self):
        self.meters = {{}}

    def get_meter(self, what):
        scope = Scope(what)
        self.meters[scope] = 1
"""


def domain(decorator: str, body: str) -> str:
    project = Project({"p.py": extract(KEYED.format(decorator=decorator, body=body))})
    subject = next(s for s in project.subjects.values() if s.name == "meters")
    seen = next(s for s in subject.seen if s.event.key)
    return project.key_domain(subject, seen).value


@pytest.mark.parametrize(
    ("decorator", "body", "value"),
    [
        ("", "    pass", "fresh"),
        ("", "    def __eq__(self, other): ...\n    def __hash__(self): ...", "unknown"),
        ("@dataclass(frozen=True)", "    name: str", "unknown"),
    ],
)
def test_a_key_that_equals_another_is_not_new(decorator: str, body: str, value: str) -> None:
    assert domain(decorator, body) == value
