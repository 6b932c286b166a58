"""The guardian finishes what it began, whatever becomes of the controller."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from leakaudit.runtime.attach import guardian
from leakaudit.runtime.attach.guardian import Outcome, UnfinishedError
from leakaudit.runtime.attach.ptrace import NotNowError, TargetGoneError, TraceError

if TYPE_CHECKING:
    from pathlib import Path

DONE = Outcome("done", 1.5, 4096, "poll")


def appears(path: Path) -> bool:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return path.exists()


def test_outcome_comes_back() -> None:
    assert guardian.run(lambda: DONE, 10) == DONE


@pytest.mark.parametrize("error", [TraceError, TargetGoneError, NotNowError])
def test_error_comes_back(error: type[TraceError]) -> None:
    def fail() -> Outcome:
        raise error("the reason")

    with pytest.raises(error, match="the reason") as raised:
        guardian.run(fail, 10)
    assert raised.type is error


def test_error_of_ours_is_reported() -> None:
    def fail() -> Outcome:
        raise ZeroDivisionError("oops")

    with pytest.raises(TraceError, match="oops"):
        guardian.run(fail, 10)


def test_guardian_is_a_process_apart_with_signals_blocked(tmp_path: Path) -> None:
    facts = tmp_path / "facts"

    def look() -> Outcome:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        facts.write_text(
            f"{os.getsid(0) == os.getpid()} {signal.SIGINT in blocked} {signal.SIGTERM in blocked}"
        )
        return DONE

    guardian.run(look, 10)
    assert facts.read_text() == "True True True"


def test_our_own_signals_are_let_through_again() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    guardian.run(lambda: DONE, 10)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_guardian_keeps_no_descriptor_of_ours(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    release = tmp_path / "release"

    def linger() -> Outcome:
        appears(release)
        return DONE

    with pytest.raises(UnfinishedError):
        guardian.run(linger, 0.3)
    os.close(writer)
    assert os.read(reader, 1) == b""
    os.close(reader)
    release.touch()


def test_no_process_left_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "fork", fail)
    with pytest.raises(TraceError, match="could be started: Resource temporarily unavailable"):
        guardian.run(lambda: DONE, 10)
    assert len(os.listdir("/proc/self/fd")) == before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_unfinished_work_is_undone_by_the_guardian(tmp_path: Path) -> None:
    undone = tmp_path / "undone"

    def linger() -> Outcome:
        time.sleep(0.3)
        return DONE

    with pytest.raises(UnfinishedError):
        guardian.run(linger, 0.05, undo=lambda outcome: undone.write_text(str(outcome.address)))
    assert appears(undone)
    assert guardian.run(lambda: DONE, 10) == DONE


def test_work_of_an_interrupted_caller_is_undone(tmp_path: Path) -> None:
    begun, undone = tmp_path / "begun", tmp_path / "undone"

    def work() -> Outcome:
        begun.touch()
        time.sleep(0.3)
        return DONE

    def interrupt() -> None:
        appears(begun)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        guardian.run(work, 10, undo=lambda _: undone.touch())
    assert appears(undone)


def test_work_of_a_killed_caller_is_undone(tmp_path: Path) -> None:
    begun, undone = tmp_path / "begun", tmp_path / "undone"

    def work() -> Outcome:
        begun.touch()
        time.sleep(0.3)
        return DONE

    controller = os.fork()
    if controller == 0:
        with suppress(BaseException):
            guardian.run(work, 10, undo=lambda _: undone.touch())
        os._exit(0)
    assert appears(begun)
    os.kill(controller, signal.SIGKILL)
    os.waitpid(controller, 0)
    assert appears(undone)
