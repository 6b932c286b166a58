"""Audits of live processes from end to end: attached to, watched, judged, and left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from runtime_target import finding, interpreters, judged, running

from leakaudit.errors import AttachError, LeakAuditError
from leakaudit.findings import Status
from leakaudit.findings.report import Report
from leakaudit.runtime import census, link
from leakaudit.runtime.attach.preflight import inspect
from leakaudit.runtime.audit import Options, audit
from leakaudit.runtime.channel import open_channel
from leakaudit.runtime.conclude import conclude
from leakaudit.runtime.session import read_session

PROGRAM = """
import collections, functools, threading, time
CACHE = {}
RECENT = collections.deque(maxlen=20)
TABLE = {i: i for i in range(50)}
handlers = {"a": []}
class Hidden:
    def __init__(self, i): self.text = "x" * (300 + i % 7)
class Box:
    def __init__(self):
        self.things = []
box = Box()
class Store:
    def __init__(self): self.index = {}
def subscribe():
    updates = {}
    def on_update(x): updates[x] = [0.5] * 50
    handlers["a"].append(on_update)
    for i in range(4): on_update(i)
@functools.lru_cache(maxsize=None)
def squares(i): return [i * i] * 10
def work():
    store = Store()
    i = 0
    while True:
        i += 1
        CACHE[i] = "value %d" % i * 10
        RECENT.append([i]); store.index[i] = [i]; subscribe(); squares(i); box.things.append(Hidden(i))
        time.sleep(0.005)
if __name__ == "__main__":
    print("READY", flush=True)
    work()
"""
PROBES = (
    ("module-attribute", "CACHE", ""),
    ("module-attribute", "RECENT", ""),
    ("module-attribute", "TABLE", ""),
    ("module-attribute", "handlers", ""),
    ("instance-attribute", "index", "Store"),
    ("closure-cell", "updates", "subscribe"),
    ("function-cache", "", "squares"),
    ("module-attribute", "GONE", ""),
)
LEAKS = {"CACHE", "handlers", "Store.index", "subscribe.updates", "squares"}
SYSTEM_PYTHON = "/usr/bin/python3"
QUICK = Options(duration_s=4.0, interval_s=0.25, pause_budget_ms=200.0)  # other tests share the processors


@pytest.fixture
def channels(monkeypatch):
    """The channels that an audit has opened."""
    opened = []

    def record(*arguments):
        opened.append(open_channel(*arguments))
        return opened[-1]

    monkeypatch.setattr(link, "open_channel", record)
    return opened


@pytest.fixture
def target(tmp_path, missing):
    """A leaking program that may be attached to."""
    with running(PROGRAM, tmp_path) as process:
        may_attach(process, missing)
        yield process


def may_attach(process, missing):
    try:
        inspect(process.pid)
    except AttachError as error:
        missing(str(error))


def scanner(process):
    path = str(process.args[-1])
    return lambda _: Report(
        "scan", tuple(finding(kind, attribute, qualname, path) for kind, attribute, qualname in PROBES)
    )


def looked_at(process, options=QUICK):
    return judged(lambda how: audit(process.pid, scanner(process), how), options)


def told(report):
    return {item.symbol.removeprefix("target."): item.verdict for item in report.findings}


def assert_judged_right(report):
    verdicts = told(report)
    assert {name for name, verdict in verdicts.items() if verdict.status is Status.CONFIRMED} == LEAKS
    assert verdicts["RECENT"].status is Status.BOUNDED
    assert verdicts["TABLE"].status is Status.NOT_GROWING
    assert verdicts["GONE"].status is Status.UNRESOLVED


def test_leaks_are_confirmed_with_rates_sizes_shares_and_paths(target, channels):
    report = looked_at(target)
    assert_judged_right(report)
    verdicts = told(report)
    for name in LEAKS:
        assert verdicts[name].entries_per_s > 0
        assert verdicts[name].bytes_per_s > 0
        assert 0 < verdicts[name].share <= 1
        assert verdicts[name].exact_bytes
    assert verdicts["handlers"].bytes_per_s > verdicts["subscribe.updates"].bytes_per_s
    assert verdicts["handlers"].shared_with[0].symbol == "target.subscribe.updates"
    assert sum(verdicts[name].share for name in LEAKS) < 1
    assert verdicts["CACHE"].retaining_path == ("module __main__", "__main__.CACHE")
    assert report.findings[0].symbol == "target.handlers"  # the largest share
    assert_box_is_unexplained(report, target)
    assert_footprint(report)
    assert target.poll() is None
    assert [Path(channel.inside).exists() for channel in channels] == [False]


def assert_box_is_unexplained(report, target):
    (item,) = [item for item in report.runtime.unexplained if item.type_name == "list"]
    assert item.retaining_path[-1] == "Box.things"
    assert item.path == target.args[-1]
    assert "self.things = []" in Path(item.path).read_text().splitlines()[item.line - 1]
    assert 0 < item.share < 1


def assert_footprint(report):
    runtime = report.runtime
    assert runtime.python == "{}.{}.{}".format(*sys.version_info)
    assert runtime.samples >= 10
    assert runtime.ended_early == ""
    assert 0 < runtime.largest_pause_ms < 200
    assert runtime.heap_growth_bytes_per_s > 0
    assert {series.name for series in runtime.series} >= {"rss", "threads", "descriptors", "blocks"}
    threads = next(series for series in runtime.series if series.name == "threads")
    assert threads.largest == 1  # the agent does not count itself


@pytest.mark.parametrize(
    "version", [v for v in interpreters() if v in ("3.8", "3.9", "3.12", "3.13", "3.14", "3.15")]
)
def test_leaks_are_confirmed_on_other_versions(tmp_path, missing, version):
    with running(PROGRAM, tmp_path, interpreters()[version]) as process:
        may_attach(process, missing)
        assert_judged_right(looked_at(process))
        assert process.poll() is None


def test_where_no_census_is_allowed_sizes_are_estimates(target, monkeypatch):
    monkeypatch.setattr(census, "refusal", lambda *_: "not today")
    report = looked_at(target)
    assert_judged_right(report)
    cache = told(report)["CACHE"]
    assert cache.bytes_per_s > 0
    assert not cache.exact_bytes
    assert 0 < cache.share < 1
    assert any("not today" in note for note in report.runtime.notes)


def test_where_the_heap_may_not_be_listed_copies_count(target, monkeypatch):
    # A budget below any list of objects, and copies all the same.
    monkeypatch.setattr(census, "refusal", lambda *_: "")
    report = looked_at(target, replace(QUICK, pause_budget_ms=0.2, duration_s=6.0))
    assert told(report)["subscribe.updates"].status is Status.CONFIRMED
    assert any("only near the modules" in note for note in report.runtime.notes)


def test_a_target_that_ends_leaves_a_report_of_what_was_seen(tmp_path, missing):
    def look(options):
        def progress(phase, done, _total):
            if phase == "watch" and done > options.duration_s / 6:
                process.kill()

        with running(PROGRAM, tmp_path) as process:
            may_attach(process, missing)
            return audit(process.pid, scanner(process), options, progress)

    report = judged(look, replace(QUICK, duration_s=30.0))
    assert "the target ended" in report.runtime.ended_early
    assert told(report)["CACHE"].status is Status.CONFIRMED
    assert 0 < told(report)["CACHE"].share < 1


def test_an_interrupt_ends_the_watching_early(target):
    def progress(phase, done, _total):
        if phase == "watch" and done > 2.5:
            raise KeyboardInterrupt

    began = time.monotonic()
    report = audit(target.pid, scanner(target), replace(QUICK, duration_s=600.0), progress)
    assert time.monotonic() - began < 60
    assert report.runtime.ended_early.startswith("interrupted after")
    assert told(report)["CACHE"].share > 0
    assert target.poll() is None


def test_a_session_read_again_gives_the_same_report(target, tmp_path):
    path = tmp_path / "audit.session.jsonl"
    report = looked_at(target, replace(QUICK, session=path))
    assert conclude(read_session(path)) == report


def test_a_session_cut_off_anywhere_gives_a_report(target, tmp_path):
    path = tmp_path / "audit.session.jsonl"
    audit(target.pid, scanner(target), replace(QUICK, duration_s=2.0, session=path))
    lines = path.read_bytes().splitlines(keepends=True)
    cut = tmp_path / "cut.jsonl"
    for count in range(1, len(lines)):
        cut.write_bytes(b"".join(lines[:count]) + lines[count][:10])
        report = conclude(read_session(cut))
        assert report.kind == "runtime"
        assert report.runtime.ended_early


def test_failing_scan_leaves_the_target_alone(target, channels):
    def scan(_):
        raise LeakAuditError("no such rule", "mend it")

    with pytest.raises(LeakAuditError, match="no such rule"):
        audit(target.pid, scan, QUICK)
    assert target.poll() is None
    assert [Path(channel.inside).exists() for channel in channels] == [False]


def test_the_source_of_the_target_is_found(target):
    seen = []

    def scan(paths):
        seen.extend(paths)
        return Report("scan", ())

    audit(target.pid, scan, replace(QUICK, duration_s=0.5))
    assert seen == [Path(target.args[-1])]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a target as another user")
def test_a_target_of_another_user(open_folder, missing):
    path = open_folder / "target.py"
    path.write_text(PROGRAM)
    if not Path(SYSTEM_PYTHON).exists():
        missing("a Python that every user can run")
    process = subprocess.Popen(
        [SYSTEM_PYTHON, "-I", path], stdout=subprocess.PIPE, text=True, user=65534, cwd=open_folder
    )
    try:
        assert process.stdout.readline() == "READY\n"
        may_attach(process, missing)
        report = looked_at(process)
        assert_judged_right(report)
        assert told(report)["CACHE"].exact_bytes
    finally:
        process.kill()
        process.communicate()
