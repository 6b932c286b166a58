"""Leaks of installed packages are named, with no source given and with their source scanned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from runtime_target import finding, judged, running

from leakaudit.errors import AttachError, UsageError
from leakaudit.findings.report import Report
from leakaudit.runtime.attach.preflight import inspect
from leakaudit.runtime.audit import Options, audit

LIBRARY = '''
"""A library that leaks in several ways."""

import collections
import functools

seen = {}
recent = collections.deque(maxlen=30)


class Hub:
    clients = []

    def __init__(self):
        self.by_topic = {"news": []}
        self.last = []

    def publish(self, number):
        seen[number] = "message %d" % number
        self.by_topic["news"].append([number] * 20)
        self.last = [number]
        recent.append(number)
        lookup(number, [])


def lookup(number, default, known={}):
    known[number] = b"x" * 200
    return steady(number % 7)


@functools.lru_cache(maxsize=None)
def steady(number):
    return number
'''
PROGRAM = """
import sys, time
sys.path.insert(0, {folder!r})
import hublib
hub = hublib.Hub()
print("READY", flush=True)
number = 0
while True:
    number += 1
    hub.publish(number)
    time.sleep(0.004)
"""


@pytest.fixture
def target(tmp_path, missing):
    """A program whose library leaks."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "hublib.py").write_text(LIBRARY)
    with running(PROGRAM.format(folder=str(folder)), tmp_path) as process:
        try:
            inspect(process.pid)
        except AttachError as error:
            missing(str(error))
        yield process


def test_growing_containers_of_a_library_are_named_with_no_source_given(target, tmp_path):
    report = audit(target.pid, lambda _: Report("scan", ()), Options(duration_s=4.0, pause_budget_ms=200.0))
    told = {item.symbol: item for item in report.runtime.unexplained}
    assert set(told) == {"hublib.seen", "hublib.Hub.by_topic[...]", "hublib.lookup.known"}
    lines = LIBRARY.splitlines()
    for symbol, text in (
        ("hublib.seen", "seen = {}"),
        ("hublib.lookup.known", "def lookup(number, default, known={}):"),
    ):
        assert lines[told[symbol].line - 1] == text
        assert told[symbol].path == str(tmp_path / "site-packages/hublib.py")
    assert told["hublib.seen"].count[1] > told["hublib.seen"].count[0]
    assert told["hublib.Hub.by_topic[...]"].retaining_path[-1] == "dict[...]"


def test_a_confirmed_finding_is_not_told_twice_and_dependencies_are_scanned_on_demand(target):
    scanned = []

    def scan(paths):
        scanned.extend(path.name for path in paths)
        return Report("scan", (finding("module-attribute", "seen", "", "site-packages/hublib.py", "hublib"),))

    options = Options(duration_s=4.0, pause_budget_ms=200.0, dependencies=True)
    report = judged(lambda how: audit(target.pid, scan, how), options)
    assert {"target.py", "hublib.py"} <= set(scanned)
    assert [item.symbol for item in report.confirmed] == ["hublib.seen"]
    assert "hublib.seen" not in {item.symbol for item in report.runtime.unexplained}


def test_a_program_that_is_all_installed_packages_can_be_audited(tmp_path, missing):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "hublib.py").write_text(LIBRARY)
    kept = tmp_path / "audit.jsonl"
    scanned = []

    def scan(paths):
        scanned.extend(path.name for path in paths)
        return Report("scan", (finding("module-attribute", "seen", "", "site-packages/hublib.py", "hublib"),))

    with running(PROGRAM.format(folder=str(folder)), folder) as process:
        try:
            inspect(process.pid)
        except AttachError as error:
            missing(str(error))
        options = Options(duration_s=2.0, pause_budget_ms=200.0, session=kept)
        with pytest.raises(UsageError, match="no source files of its own") as refused:
            audit(process.pid, scan, options)
        assert "--include-dependencies" in refused.value.remedy
        assert not kept.exists()  # or a second try could not keep its session there
        report = judged(
            lambda how: audit(process.pid, scan, how), replace(options, duration_s=4.0, dependencies=True)
        )
    assert {"target.py", "hublib.py"} <= set(scanned)
    assert [item.symbol for item in report.confirmed] == ["hublib.seen"]
    assert kept.exists()
