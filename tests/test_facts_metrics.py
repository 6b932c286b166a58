"""Metrics, their labels, and how many values a label takes."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project
from leakaudit.facts.telemetry.metrics import Label, judge, metrics

HEAD = "from prometheus_client import Counter\n"


def found(*texts: str) -> list[tuple[str, tuple[str, ...], list[tuple[str, str]]]]:
    linked = Project({f"m{number}.py": extract(text) for number, text in enumerate(texts)})
    return [
        (m.owner, m.names, [(label.name, judge(label).value) for label in m.labels]) for m in metrics(linked)
    ]


def test_labels_are_named_by_keyword_and_by_position() -> None:
    text = (
        HEAD
        + """
SEEN = Counter("seen", "Seen.", ["method", "path"])
def dispatch(request):
    SEEN.labels(request.method, path=request.path).inc()
"""
    )
    assert found(text) == [("m:SEEN", ("method", "path"), [("method", "closed"), ("path", "fresh")])]


def test_uses_in_other_files_belong_to_the_declaration() -> None:
    text = HEAD + "SEEN = Counter('seen', 'Seen.', labelnames=('user_id',))\n"
    use = "from m0 import SEEN\ndef login(user): SEEN.labels(user.id).inc()\n"
    assert found(text, use) == [("m:SEEN", ("user_id",), [("user_id", "open")])]


def test_a_metric_of_an_instance_is_found_by_its_attribute() -> None:
    text = (
        HEAD
        + """
class Middleware:
    def __init__(self): self.seen = Counter("seen", "Seen.", ["endpoint"])
    def call(self, scope):
        endpoint = scope["path"]
        self.seen.labels(endpoint=endpoint).inc()
"""
    )
    assert found(text) == [("i:Middleware.seen", ("endpoint",), [("endpoint", "fresh")])]


def test_a_counter_of_words_is_no_metric() -> None:
    assert found("from collections import Counter\nwords = Counter('a b'.split())\n") == []


def test_attributes_of_an_instrument_are_its_labels() -> None:
    text = (
        "calls = meter.create_counter('calls')\ndef call(request): calls.add(1, {'path': request.url.path})\n"
    )
    assert found(text) == [("m:calls", (), [("path", "fresh")])]


@pytest.mark.parametrize(
    ("name", "origins", "value"),
    [
        ("path", (), "open"),
        ("path_template", (), "unknown"),
        ("provider_id", (), "unknown"),
        ("user_id", (), "open"),
        ("path", ("local:template", "attr:route.path"), "closed"),
        ("path", ("const:'/health'",), "closed"),
        ("host", ("attr:request.url.scheme", "attr:request.url"), "unknown"),
        ("reason", ("call:str", "except-text"), "fresh"),
        ("code", ("attr:error.code", "except-text"), "closed"),
        ("error", ("type",), "closed"),
        ("kind", ("local:kind", "attr:request.path", "const:'other'"), "closed"),
        ("job", ("local:name", "call:str", "call:uuid.uuid4"), "fresh"),
    ],
)
def test_names_and_values_decide(name: str, origins: tuple[str, ...], value: str) -> None:
    assert judge(Label(name, origins)).value == value
