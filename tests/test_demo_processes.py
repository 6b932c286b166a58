"""Child processes: ready when they say so, and gone after the block, whatever they or we do."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from leakaudit.demo import processes
from leakaudit.demo.processes import ChildError, Children

FOREVER = "import time; print('READY 1 2', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_the_rest_of_the_awaited_line_comes_back(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("talker", python("print('READYISH no')\nprint('READY 7')\nprint('PORT 8')"))
        assert child.wait_for("READY", 10) == "7"
        assert child.wait_for("PORT", 10) == "8"


def test_a_child_that_ends_too_soon_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("broken", python("raise SystemExit('no such port')"))
        with pytest.raises(ChildError, match=r"broken ended before it said READY: .*no such port"):
            child.wait_for("READY", 10)


def test_a_silent_child_is_an_error_once_the_time_is_up(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("mute", python("import time; time.sleep(60)"))
        with pytest.raises(ChildError, match=r"mute did not say READY within 0\.2 s"):
            child.wait_for("READY", 0.2)


def test_an_error_in_the_block_leaves_no_child(tmp_path: Path) -> None:
    pids: list[int] = []

    def interrupted() -> None:
        with Children(tmp_path) as children:
            pids.extend(children.start(f"child-{number}", python(FOREVER)).pid for number in range(3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(pids) == 3
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_TIMEOUT_S", 0.2)
    with Children(tmp_path) as children:
        child = children.start("stubborn", python(STUBBORN))
        child.wait_for("READY", 10)
    assert child.process.returncode == -9
    assert not psutil.pid_exists(child.pid)
