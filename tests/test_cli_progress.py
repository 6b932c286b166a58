"""The progress bar: only for a terminal, only for what takes its time, and never left behind."""

from __future__ import annotations

import contextlib
import io

import pytest

from leakaudit.cli import progress
from leakaudit.cli.progress import Progress

SHOW_CURSOR = "\x1b[?25h"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    monkeypatch.setenv("TERM", "xterm")


def drawn(stream: io.StringIO, wanted: bool = True) -> str:
    with contextlib.redirect_stderr(stream), Progress("scanning", "files", wanted=wanted) as bar:
        bar(1, 3)
        bar(3, 3)
    return stream.getvalue()


def test_long_work_draws_a_bar(impatient: None) -> None:
    text = drawn(Terminal())
    assert "scanning" in text
    assert "3/3" in text
    assert SHOW_CURSOR in text


def test_a_phase_that_cannot_be_counted_has_a_name_and_no_count(impatient: None) -> None:
    stream = Terminal()
    with contextlib.redirect_stderr(stream), Progress("watching", "s") as bar:
        bar.step("census", 0, 1)
    assert "counting in a copy of the process" in stream.getvalue()
    assert "0/" not in stream.getvalue()


def test_short_work_draws_nothing() -> None:
    assert drawn(Terminal()) == ""


def test_quiet_draws_nothing(impatient: None) -> None:
    assert drawn(Terminal(), wanted=False) == ""


def test_what_is_no_terminal_gets_nothing(impatient: None) -> None:
    assert drawn(io.StringIO()) == ""


def test_an_error_ends_the_bar(impatient: None) -> None:
    stream = Terminal()

    def work() -> None:
        with Progress("scanning", "files") as bar:
            bar(1, 3)
            raise ZeroDivisionError

    with contextlib.redirect_stderr(stream), pytest.raises(ZeroDivisionError):
        work()
    assert SHOW_CURSOR in stream.getvalue()
