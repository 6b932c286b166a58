"""Audits of process trees: workers told apart and summed, some of which come, go, or are no Python at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from runtime_target import finding, running, wait_until
from test_runtime_audit import may_attach

from leakaudit.errors import AttachError, NotPythonError
from leakaudit.findings import Status
from leakaudit.findings.report import Report
from leakaudit.report.json_v1 import document
from leakaudit.runtime import fleet
from leakaudit.runtime.audit import Options
from leakaudit.runtime.fleet import audit_tree
from leakaudit.runtime.reread import read_runtime_reports

#: Each line on its standard input is a child to start: one that leaks, one that idles, or a program that is no Python.
PROGRAM = """
import os, subprocess, sys, time
CACHE = {}
def leak():
    while True:
        CACHE[len(CACHE)] = "value" * 10
        time.sleep(0.005)
def idle():
    while True:
        time.sleep(0.02)
def child(work):
    pid = os.fork()
    if not pid:
        os.close(0)
        work()
    return pid
print("READY", flush=True)
for line in sys.stdin:
    if line == "sleep\\n":
        print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
    else:
        print(child({"leak\\n": leak, "idle\\n": idle}[line]), flush=True)
"""
QUICK = Options(duration_s=5.0, interval_s=0.3)


class Tree:
    """A program and the children that it was told to start."""

    def __init__(self, process):
        self.process = process
        self.children = []

    def start(self, kind):
        self.process.stdin.write(f"{kind}\n")
        self.process.stdin.flush()
        self.children.append(int(self.process.stdout.readline()))
        return self.children[-1]

    def scan(self, paths):
        assert paths
        return Report("scan", (finding("module-attribute", "CACHE", path=self.process.args[-1]),))


@pytest.fixture
def tree(tmp_path, missing):
    with running(PROGRAM, tmp_path) as process:
        may_attach(process, missing)
        found = Tree(process)
        yield found
        for pid in found.children:
            os.kill(pid, signal.SIGKILL)  # a child that nobody waited for keeps its pid


def test_workers_are_told_apart_and_summed_and_told_again_from_their_sessions(tree, tmp_path):
    leaking, idle, other = tree.start("leak"), tree.start("idle"), tree.start("sleep")
    scans = []
    report = audit_tree(
        tree.process.pid,
        lambda paths: scans.append(paths) or tree.scan(paths),
        replace(QUICK, session=tmp_path / "s.jsonl"),
    )
    assert {part.runtime.pid for part in report.processes} == {tree.process.pid, leaking, idle}
    verdict = report.findings[0].verdict
    assert verdict.status is Status.CONFIRMED
    assert f"grows in 1 of 3 processes: {leaking} " in verdict.reason
    assert len(scans) == 1
    assert not (tmp_path / f"s.jsonl.{other}").exists()
    again = read_runtime_reports(sorted(tmp_path.glob("s.jsonl.*"), reverse=True))
    assert document(again) == document(report)


def test_who_comes_later_joins_and_who_ends_is_told(tree, monkeypatch):
    monkeypatch.setattr(fleet, "LEAST_S", 3.0)
    monkeypatch.setattr(fleet, "YOUNG_S", 0.2)
    ends, born = tree.start("idle"), []

    def progress(phase, done, total):
        if phase == "watch" and not born:
            os.kill(ends, signal.SIGKILL)
            born.append(tree.start("leak"))

    report = audit_tree(tree.process.pid, tree.scan, replace(QUICK, duration_s=9.0), progress)
    assert {part.runtime.pid for part in report.processes} == {tree.process.pid, ends, *born}
    assert f"process {ends}: the target ended" in report.runtime.ended_early
    assert any(f"process {born[0]} came later" in note for note in report.notes)
    assert report.findings[0].verdict.status is Status.CONFIRMED


def test_more_processes_than_are_watched_are_counted(tree, monkeypatch):
    monkeypatch.setattr(fleet, "MOST", 1)
    tree.start("idle")
    report = audit_tree(tree.process.pid, tree.scan, replace(QUICK, duration_s=1.0))
    assert any("1 more Python processes were left out" in note for note in report.notes)


def test_without_any_python_it_is_refused(tree):
    with pytest.raises(NotPythonError):
        audit_tree(tree.start("sleep"), tree.scan, QUICK)
    with pytest.raises(AttachError, match="there is no process"):
        audit_tree(2**22 + 1, tree.scan, QUICK)


def test_interrupt_ends_all_audits_and_reports(tree, tmp_path):
    tree.start("leak")
    session = tmp_path / "s.jsonl"
    command = (
        sys.executable,
        "-m",
        "leakaudit",
        "runtime",
        str(tree.process.pid),
        "--children",
        "--no-config",
    )
    audit = subprocess.Popen(
        (*command, "--duration", "60s", "--interval", "300ms", "--session", str(session)),
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    try:
        wait_until(
            lambda: all(
                path.exists() and path.read_text().count('"record":"sample"') > 5
                for path in (Path(f"{session}.{pid}") for pid in (tree.process.pid, *tree.children))
            )
        )
        audit.send_signal(signal.SIGINT)
        told = audit.communicate(timeout=30)[0]
    finally:
        audit.kill()
        audit.wait()
    assert audit.returncode in (0, 1)
    assert told.startswith("2 processes")
    assert " ".join(told.split()).count("interrupted after") == 2
