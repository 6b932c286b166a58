"""How many instances of a class there are, as far as the code tells."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.growth.population import of_class
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.project import Project


def count(text: str, name: str = "Thing") -> str:
    return of_class(Project({"a.py": extract(text)}), Place("a.py", name)).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("class Thing: ...\nthing = Thing()\n", "one"),
        ("import enum\nclass Thing(enum.Enum): ...\n", "one"),
        ("class Thing(type): ...\n", "one"),
        ("class Thing(metaclass=Singleton): ...\n", "one"),
        (
            "class Thing:\n    _instance = None\n    def __new__(cls):\n        cls._instance = object.__new__(cls)\n        return cls._instance\n",
            "one",
        ),
        ("class Thing: ...\ndef setup_things(): return Thing()\n", "few"),
        ("class ThingManager: ...\n", "likely-few"),
        ("class Thing: ...\n", "unknown"),
        ("class Thing: ...\ndef parse(text): return Thing().run(text)\n", "many"),
        (
            "class Thing: ...\ndef main():\n    while True:\n        thing = Thing()\n        thing.run()\n",
            "many",
        ),
        ("class Thing: ...\n@app.get('/x')\ndef show(request): return Thing(request)\n", "many"),
        (
            "class Thing: ...\nclass Owner:\n    def __init__(self): self.thing = Thing()\nowner = Owner()\n",
            "few",
        ),
    ],
)
def test_the_places_where_it_is_made_decide(text: str, value: str) -> None:
    assert count(text, "ThingManager" if "Manager" in text else "Thing") == value


def test_an_unknown_class_is_unknown() -> None:
    assert count("", "Missing") == "unknown"


def test_classes_that_make_each_other_end_the_search() -> None:
    text = """
class Thing:
    def __init__(self): self.other = Other()
class Other:
    def __init__(self): self.thing = Thing()
"""
    assert count(text) == "unknown"
