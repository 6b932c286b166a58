"""The recorder: how often it looks, which marks it keeps, and that it survives what programs do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest

from leakaudit.process.launch import remaining
from leakaudit.process.milestones import Mark
from leakaudit.process.recorder import ALL_KEPT, SLOWEST_S, Marks, Recorder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="programs are recorded on Linux")


def recorder(pid: int, written: list[Mapping[str, Any]], every_s: float = 0.05) -> Recorder:
    return Recorder(pid, Marks(), written.append, every_s)


def test_looks_become_rarer() -> None:
    found = recorder(os.getpid(), [], 0.0)
    assert [found._pace(age) for age in (0, 59, 61, 3600, 86400)] == [0.1, 0.1, 0.5, 2.0, SLOWEST_S]


def test_first_marks_are_kept_and_then_ten_a_second() -> None:
    found = recorder(os.getpid(), [])
    kept = [found._worth_keeping(Mark(i * 0.01, 1, "request")) for i in range(1000)]
    assert all(kept[:ALL_KEPT])
    assert 80 <= sum(kept[ALL_KEPT:]) <= 100


def test_processes_below_are_recorded_as_they_come_and_go() -> None:
    script = "sleep 1 & sleep 1; wait"
    written: list[Mapping[str, Any]] = []
    process = subprocess.Popen(["sh", "-c", script])
    found = recorder(process.pid, written)
    found.start()
    process.wait()
    time.sleep(0.2)
    found.stop()
    kinds = {record["record"] for record in written}
    assert {"process-came", "process", "process-gone"} <= kinds
    assert all(record["pid"] for record in written)
    assert {record["pid"] for record in written if record["record"] == "process"} >= {process.pid}


def test_process_that_has_ended_already_is_no_error() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    written: list[Mapping[str, Any]] = []
    found = recorder(process.pid, written)
    found.start()
    found.stop()
    assert written == []


def test_what_remains_of_a_group_is_counted() -> None:
    process = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    left = int(process.stdout.readline())
    process.wait()
    try:
        assert remaining(process.pid) == 1
    finally:
        os.kill(left, 9)
        process.communicate()
