"""`leakaudit.mark`: heard by who records, and nothing at all elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from leakaudit.process.milestones import Mark
from leakaudit.process.recorder import Marks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="recording is for Linux")

ROOT = Path(__file__).parent.parent


@pytest.fixture
def marks() -> Marks:
    return Marks()


def run(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def heard(marks: Marks, code: str) -> list[Mark]:
    found: list[Mark] = []
    listening = threading.Thread(target=lambda: found.extend(marks.listen()))
    listening.start()
    try:
        run(code, marks.environment(os.environ))
    finally:
        marks.close()
        listening.join(10)
    return found


def test_marks_are_heard_with_time_and_process(marks: Marks) -> None:
    found = heard(marks, "import leakaudit\nfor i in range(3): leakaudit.mark(f'round {i}')")
    assert [mark.text for mark in found] == ["round 0", "round 1", "round 2"]
    assert found[0].t <= found[1].t <= found[2].t
    assert found[0].pid != os.getpid()


def test_marks_of_threads_and_forks_are_heard(marks: Marks) -> None:
    code = """
import leakaudit, os, threading
leakaudit.mark("parent")
if os.fork() == 0:
    leakaudit.mark("child"); os._exit(0)
os.wait()
threads = [threading.Thread(target=leakaudit.mark, args=("thread",)) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
"""
    found = heard(marks, code)
    assert sorted(mark.text for mark in found) == ["child", "parent", *["thread"] * 4]
    assert len({mark.pid for mark in found}) == 2


def test_every_mark_of_a_burst_is_counted(marks: Marks) -> None:
    code = """
import leakaudit, time
for i in range(20000): leakaudit.mark("request")
time.sleep(0.5); leakaudit.mark("request")
"""
    assert sum(1 + mark.lost for mark in heard(marks, code)) == 20001


def test_long_and_odd_texts_stay_one_mark(marks: Marks) -> None:
    found = heard(
        marks,
        "import leakaudit; leakaudit.mark('a\\nb' + 'x' * 9999); leakaudit.mark(7); leakaudit.mark('\\udc80')",
    )
    assert [len(mark.text) for mark in found] == [200, 1, 1]
    assert found[0].text.startswith("a b")


def test_who_does_not_know_the_key_is_not_heard(marks: Marks) -> None:
    environment = marks.environment({})
    name = environment["LEAKAUDIT_RECORDER"].split()[0]
    code = (
        f"import os, leakaudit; os.environ['LEAKAUDIT_RECORDER'] = '{name} wrong'; leakaudit.mark('false'); "
    )
    assert [mark.text for mark in heard(marks, code)] == []


def test_where_nobody_records_nothing_happens() -> None:
    code = "import sys, leakaudit; leakaudit.mark('round 1'); print('_socket' in sys.modules)"
    assert run(code, {k: v for k, v in os.environ.items() if k != "LEAKAUDIT_RECORDER"}) == "False\n"


def test_recorder_that_has_ended_is_no_error(marks: Marks) -> None:
    environment = marks.environment(os.environ)
    marks._socket.close()
    assert (
        run("import leakaudit; [leakaudit.mark('x') for _ in range(3)]; print('ok')", environment) == "ok\n"
    )
