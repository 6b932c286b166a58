"""`leakaudit demo`: it shows what it should, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest
from click.testing import CliRunner

from leakaudit.cli import demo as command
from leakaudit.cli.main import cli

ROOT = Path(__file__).resolve().parent.parent
WATCH = "6s"
END_TIMEOUT_S = 90


@pytest.fixture(autouse=True)
def machine(missing: Callable[[str], NoReturn]) -> None:
    if sys.platform != "linux":
        missing("Linux, to attach to a process")
    if find_spec("websockets") is None:
        missing("websockets, for the demo's server")


@contextmanager
def started(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        (sys.executable, "-m", "leakaudit", "demo", *options),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def report_of(tmp_path: Path, *options: str) -> dict[str, Any]:
    with started(tmp_path, "--duration", WATCH, "--format", "json", *options) as process:
        output, errors = process.communicate(timeout=END_TIMEOUT_S)
    assert process.returncode == 0, errors
    report: dict[str, Any] = json.loads(output)
    return report


def confirmed(report: dict[str, Any]) -> set[str]:
    return {
        finding["symbol"].rpartition(".")[2]
        for finding in report["findings"]
        if finding["verdict"] and finding["verdict"]["status"] == "confirmed"
    }


@pytest.mark.slow
def test_the_leaks_of_the_server_are_confirmed_and_nothing_is_left(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    assert confirmed(report) == {"updates", "message_handlers", "_index_cache"}
    assert not psutil.pid_exists(report["runtime"]["pid"])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_mended_server_is_cleared(tmp_path: Path) -> None:
    report = report_of(tmp_path, "--fixed")
    assert not confirmed(report)
    assert {finding["verdict"]["status"] for finding in report["findings"]} >= {"not-growing"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_stops_what_it_started(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "--duration", "60s") as process:
        assert process.stderr is not None
        assert any("asking the live process" in line for line in process.stderr)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 9
        process.send_signal(number)
        _, errors = process.communicate(timeout=END_TIMEOUT_S)
    assert process.returncode in {2, 130}
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert not [child for child in children if child.is_running()]
    assert not list(tmp_path.iterdir())


def test_without_websockets_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _name: None)
    done = CliRunner().invoke(cli, ["demo"])
    assert done.exit_code == 2
    assert "pip install 'leakaudit[demo]'" in done.stderr


def test_elsewhere_than_on_linux_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.sys, "platform", "darwin")
    done = CliRunner().invoke(cli, ["demo"])
    assert done.exit_code == 2
    assert "needs Linux" in done.stderr
