"""Handlers added to loggers: which count, how often, and whether they are taken off."""

from __future__ import annotations

import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.project import Project
from leakaudit.facts.telemetry.loggers import Added, added


def additions(text: str) -> list[Added]:
    return list(added(Project({"a.py": extract("import logging\n" + text)})))


@pytest.mark.parametrize(
    "text",
    [
        "logging.getLogger().addHandler(logging.StreamHandler())\n",
        "def f(log):\n    if not log.handlers:\n        log.addHandler(logging.StreamHandler())\n",
        "def f(log):\n    if log.handlers:\n        return\n    log.addHandler(logging.StreamHandler())\n",
        "shared = logging.StreamHandler()\ndef f(log): log.addHandler(shared)\n",
        "def f():\n    log = logging.Logger('x')\n    log.addHandler(logging.StreamHandler())\n",
        "def f(node): node.parent.addHandler(node)\n",
        "def f():\n    handler = logging.StreamHandler()\n    handler.addFilter(lambda record: True)\n",
    ],
    ids=["import", "guard", "early exit", "shared", "own logger", "no logger", "filter of a handler"],
)
def test_what_does_not_pile_up_is_left_out(text: str) -> None:
    assert additions(text) == []


def test_the_handler_is_named_and_what_it_holds_is_told() -> None:
    (one,) = additions("""
class ViewHandler(logging.Handler): ...
def f(client):
    view = client.view()
    logging.getLogger().addHandler(ViewHandler(view))
""")
    assert (one.name, one.fresh, one.captures) == ("ViewHandler", True, "view")


@pytest.mark.parametrize(
    ("rest", "value"),
    [
        ("", "none"),
        ("    try:\n        run()\n    finally:\n        log.removeHandler(handler)\n", "paired"),
        ("    client.on_close(lambda: log.removeHandler(handler))\n", "paired"),
        ("    signal.connect(lambda: log.removeHandler(handler))\n", "weak"),
        ("    signal.connect(lambda: log.removeHandler(handler), weak=False)\n", "paired"),
        ("def stop(log, handler): log.removeHandler(handler)\n", "elsewhere"),
    ],
)
def test_removals_are_graded(rest: str, value: str) -> None:
    text = "def f(client, signal):\n    log = logging.getLogger()\n    handler = logging.StreamHandler()\n    log.addHandler(handler)\n"
    (one,) = additions(text + rest)
    assert one.removal.value == value


def test_a_removal_in_another_method_of_the_class_counts() -> None:
    (one,) = additions("""
class Session:
    def __init__(self):
        self.handler = logging.StreamHandler()
        logging.getLogger().addHandler(self.handler)
    def close(self):
        logging.getLogger().removeHandler(self.handler)
""")
    assert one.removal.value == "paired"


def test_a_constructor_adds_as_often_as_there_are_instances() -> None:
    (one,) = additions("""
class Job:
    def __init__(self): logging.getLogger().addHandler(logging.StreamHandler())
def parse(text): return Job().run(text)
""")
    assert one.often.value == "many instances"


def test_whoever_passes_the_logger_decides_how_often() -> None:
    text = "def handle_stdout(logger):\n    {}.addHandler(logging.StreamHandler())\n"
    often = [
        one.often.value for log in ("logger", "logging.getLogger()") for one in additions(text.format(log))
    ]
    assert often == ["unknown", "likely-event"]


def test_what_a_command_does_it_does_once() -> None:
    text = "class Command({}):\n    def handle_check(self): logging.getLogger().addHandler(logging.StreamHandler())\n"
    assert [additions(text.format(base))[0].often.value for base in ("BaseCommand", "Base")] == [
        "start-up",
        "likely-event",
    ]
