"""What [tool.leakaudit.tables] adds changes what is found, entry by entry, and comes from the cache as well."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from leakaudit.cli.main import cli
from leakaudit.facts.custom import Tables
from leakaudit.facts.extract import extract
from leakaudit.findings import Confidence
from leakaudit.scan.api import Basis, run_rules
from leakaudit.scan.loader import load_rules

RULES = load_rules()

CONTAINER = """\
from acme import {name} as Store

_sessions = Store()


def handle_request(request):
    _sessions[request.session_id] = request
"""
REGISTRATION = """\
from acme import bus


class Session:
    def __init__(self, request):
        self.request = request
        bus.follow("news", self.on_news)

    def on_news(self, text):
        self.request.reply(text)

    def close(self):
        {close}


def handle_request(request):
    return Session(request)
"""
ENTRY = """\
from acme import bus

_seen = []


@bus.{decorator}("news")
def pick(item):
    _seen.append(item)


def seen():
    return list(_seen)
"""
METRIC = """\
from acme.stats import Tally

requests = Tally("requests", "all", ["user_id"])


def handle_request(request):
    requests.labels(request.who).inc()
"""


def found(text: str, tables: dict[str, object]) -> set[str]:
    basis = Basis(RULES, tables=Tables().extended(tables))
    findings, _ = run_rules({"app.py": extract(text)}, basis)
    return {finding.rule for finding in findings if finding.confidence is not Confidence.LOW}


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("OrderedDict", {"bounded": ["acme.OrderedDict"]}),
        ("OrderedDict", {"weak": ["OrderedDict"]}),
    ],
)
def test_containers_that_keep_themselves_small(name: str, tables: dict[str, object]) -> None:
    text = CONTAINER.format(name=name).replace("Store", name).replace(f"{name} as {name}", name)
    assert found(text, {}) == {"LA101"}
    assert found(text, {"bounded": ["other.OrderedDict"]}) == {"LA101"}
    assert found(text, tables) == set()


def test_a_container_in_a_dataclass() -> None:
    text = """\
from dataclasses import dataclass, field
from acme import OrderedDict


@dataclass
class Server:
    jobs: OrderedDict = field(default_factory=OrderedDict)

    def serve_forever(self, source):
        while True:
            request = source.read()
            self.jobs[request.request_id] = request


server = Server()
"""
    assert found(text, {}) == {"LA101"}
    assert found(text, {"bounded": ["acme.OrderedDict"]}) == set()


def test_classes_that_behave_like_a_container() -> None:
    text = CONTAINER.format(name="Store").replace("Store as Store", "Store")
    assert found(text, {}) == set()
    assert found(text, {"containers": {"acme.Store": "dict"}}) == {"LA101"}
    assert found(text, {"containers": {"acme.Store": "dict"}, "bounded": ["acme.Store"]}) == set()


def test_decorators_that_make_a_function_run_per_event() -> None:
    text = ENTRY.format(decorator="whenever")
    assert found(text, {}) == set()
    assert found(text, {"entry-points": ["acme.bus.whenever"]}) == {"LA102"}


def test_calls_that_keep_a_callable_and_those_that_take_it_out() -> None:
    leaking, closed = (
        REGISTRATION.format(close=line) for line in ("pass", 'bus.leave("news", self.on_news)')
    )
    pairs: dict[str, object] = {"registrations": {"bus.follow": ["bus.leave", "bus.clear_all"]}}
    assert found(leaking, {}) == set()
    (rule,) = found(leaking, pairs)
    assert rule in ("LA202", "LA302")
    assert found(closed, pairs) == set()
    assert found(closed, {"registrations": {"bus.follow": "bus.forget"}}) == {rule}


@pytest.mark.parametrize("key", ["transient", "weak"])
def test_calls_that_do_not_keep_what_they_are_given(key: str) -> None:
    text = REGISTRATION.format(close="pass").replace("follow", "subscribe")
    assert found(text, {})
    assert found(text, {key: ["acme.bus.subscribe"]}) == set()


def test_metrics() -> None:
    assert found(METRIC, {}) == set()
    assert found(METRIC, {"metrics": ["acme.stats.Tally"]}) == {"LA306"}
    assert found(METRIC, {"metrics": ["other.Tally"]}) == set()


def test_names_match_by_their_dotted_end() -> None:
    tables = Tables(entry_points=("bus.on",))
    assert tables.is_entry_point("x:acme.bus.on.()")
    assert tables.is_entry_point("x:..bus.on")
    assert tables.is_entry_point("m:bus.on")
    assert not tables.is_entry_point("m:omnibus.on")
    assert not tables.is_entry_point("m:bus.on.error")


def test_tables_are_extended_not_replaced() -> None:
    tables = Tables(bounded=("A",)).extended({"bounded": ["B"], "registrations": {"add": "drop"}})
    again = tables.extended({"registrations": {"follow": ["leave"]}})
    assert again.bounded == ("A", "B")
    assert again.registrations == {"add": ("drop",), "follow": ("leave",)}


def test_the_configuration_counts_although_the_facts_come_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("app.py").write_text(CONTAINER.format(name="OrderedDict").replace("Store", "OrderedDict"))

    def scan() -> int:
        return CliRunner().invoke(cli, ["scan", "app.py"], catch_exceptions=False).exit_code

    assert scan() == 1
    Path("pyproject.toml").write_text('[tool.leakaudit.tables]\nbounded = ["acme.OrderedDict"]\n')
    assert scan() == 0
    Path("pyproject.toml").write_text('[tool.leakaudit.tables]\nbound = ["acme.OrderedDict"]\n')
    assert scan() == 2
