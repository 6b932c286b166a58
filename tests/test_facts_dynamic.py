"""Classes that functions make as they run."""

from __future__ import annotations

from leakaudit.facts.dynamic import decorator_names, made_in_functions
from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project


def made(text: str) -> list[tuple[str, str]]:
    return [(m.name, m.how) for m in made_in_functions(Project({"a.py": extract(text)}))]


def test_a_class_counts_when_its_body_takes_something_from_the_call() -> None:
    text = """
def f(self, name):
    class Taken:
        result = (self, name)
    class Plain:
        def use(self): return name
    return Taken, Plain
"""
    assert made(text) == [("Taken", "a class statement")]


def test_calls_that_make_classes_are_told_from_those_of_the_same_name() -> None:
    text = """
from collections import namedtuple
from pydantic import create_model
from sqlalchemy.orm import sessionmaker

Row = namedtuple("Row", "a b")

def f(client, engine, value):
    row = namedtuple("Row", "a b")
    model = create_model("Model")
    maker = sessionmaker(bind=engine)
    own = type("Own", (), {})
    return type(value), client.create_model("x"), row, model, maker, own
"""
    assert sorted(made(text)) == [
        ("maker", "`sessionmaker`"),
        ("model", "`create_model`"),
        ("own", "`type`"),
        ("row", "`namedtuple`"),
    ]


def test_names_of_decorators_are_bare() -> None:
    linked = Project({"a.py": extract("@tracked\nclass A: ...\n@app.get('/x')\ndef f(): ...\n")})
    assert decorator_names(linked) == {"tracked", "get"}
