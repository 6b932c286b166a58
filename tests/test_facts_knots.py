"""Stores whose value holds the object that they are made on."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract

METHOD = "class Tool:\n    def start(self, other, make):\n        {}\n"


def knots(statement: str) -> list[tuple[str, str, str]]:
    text = METHOD.format(statement.replace("\n", "\n        "))
    return [(k.owner, k.how, k.what) for k in extract(text).knots]


@pytest.mark.parametrize(
    ("statement", "how", "what"),
    [
        ("self.x = self", "itself", "self"),
        ("self.x = other or self", "itself", "self"),
        ("self.x = self if other else None", "itself", "self"),
        ("self.x = self.run", "method", "run"),
        ("run = self.run\nself.x = run", "method", "run"),
        ("self.x = lambda: self.y", "closure", "<lambda>"),
        ("def run():\n    return self\nself.x = run", "closure", "run"),
        ("self.x = partial(make, self.run)", "partial", "run"),
        ("self.x = functools.partial(make, owner=self)", "partial", "self"),
        ("self.x = (other, [self])", "container", "container"),
        ("self.x = {'me': self}", "container", "itself"),
        ("self.x = weakref.ref(other, self.gone)", "callback", "gone"),
        ("self.x = self.run()", "made", "run"),
        ("self.x = wrap(self.x)", "wrapped", "wrap"),
        ("setattr(self, 'x', self.run)", "method", "run"),
        ("self.x = [weakref.ref(o, self.gone) for o in other]", "callback", "gone"),
        ("self.x = {o: weakref.ref(o, self.gone) for o in other}", "callback", "gone"),
        ("self.x = (weakref.ref(other, self.gone),)", "callback", "gone"),
        ("self.x.append(weakref.ref(other, self.gone))", "callback", "gone"),
        ("self.x[other] = weakref.ref(other, self.gone)", "callback", "gone"),
        ("self.x.append((other, self))", "grown", "itself"),
        ("self.x = defaultdict(self.run)", "filled", "run"),
        ("self.x = util.PopulateDict(self.run)", "filled", "run"),
        ("self.x = util.PopulateDict(portable(self.run))", "filled", "run"),
        ("do = lambda: setattr(self, 'x', self.run)", "method", "run"),
        ("self.x = util.populate_column_dict(self.run)", "filled", "run"),
    ],
)
def test_a_store_that_ties_the_object_to_itself(statement: str, how: str, what: str) -> None:
    assert knots(statement) == [("i:Tool.x", how, what)]


@pytest.mark.parametrize(
    "statement",
    [
        "self.x = other",
        "self.x = other.run",
        "self.x = lambda: other",
        "self.x = weakref.ref(self)",
        "self.x = weakref.proxy(self)",
        "self.x = {**self}",
        "self.x = [*self]",
        "self.x, self.y = wrap(self.x)",
        "self.x = self.run[0]",
        "self.x = make(self.y)",
        "run = other.run\nself.x = run",
        "Tool.x = Tool",
        "self.x = [weakref.ref(self) for o in other]",
        "self.x = [self for self in other]",
        "self.x.append(other)",
        "self.x.append((other, other.run))",
        "self.x[0].append((other, self))",
        "self.x = WeakPopulateDict(self.run)",
        "self.x = PopulateDict(WeakMethod(self.run))",
        "self.x = map(self.run, other)",
        "self.x = make(self.run)",
    ],
)
def test_a_store_that_does_not(statement: str) -> None:
    assert knots(statement) == []


def test_objects_in_variables_are_tied_too() -> None:
    assert knots("it = make()\nit.root = it\nit.get = it.result") == [
        ("?:it.root", "itself", "it"),
        ("?:it.get", "method", "result"),
    ]


def test_a_class_method_stores_on_the_class() -> None:
    text = "class Tool:\n    @classmethod\n    def start(cls):\n        cls.only = cls\n"
    assert extract(text).knots == ()


def test_functions_that_are_unbound_again() -> None:
    text = (
        "def outer():\n"
        "    def kept(): ...\n"
        "    def gone(): ...\n"
        "    def rebound(): ...\n"
        "    del gone\n"
        "    rebound = None\n"
    )
    assert extract(text).functions[0].dropped == ("gone", "rebound")


@pytest.mark.parametrize(
    ("decorator", "value", "found"),
    [
        ("cached_property", "PopulateDict(self.run)", [("i:Tool.x", "filled", "run")]),
        ("util.memoized_property", "PopulateDict(portable(self.run))", [("i:Tool.x", "filled", "run")]),
        ("reify", "[self]", [("i:Tool.x", "container", "itself")]),
        ("property", "PopulateDict(self.run)", []),
        ("cached_property", "self", []),
        ("cached_property", "PopulateDict(make)", []),
    ],
)
def test_a_property_keeps_what_it_returns_once(
    decorator: str, value: str, found: list[tuple[str, str, str]]
) -> None:
    text = f"class Tool:\n    @{decorator}\n    def x(self):\n        return {value}\n"
    assert [(k.owner, k.how, k.what) for k in extract(text).knots] == found
