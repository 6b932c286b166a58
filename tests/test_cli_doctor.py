"""`leakaudit doctor` against processes that these tests start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result

from leakaudit.cli.main import cli

PROGRAM = "import sys; print('ready', flush=True); sys.stdin.read()"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="attaching is for Linux")


def doctor(pid: object) -> Result:
    return CliRunner().invoke(cli, ["doctor", str(pid)])


@pytest.fixture
def target() -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that waits until its input closes."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=10)


def test_a_python_process_is_described(
    target: subprocess.Popen[bytes], missing: Callable[[str], NoReturn]
) -> None:
    result = doctor(target.pid)
    if "may not be attached to" in result.stderr:
        missing("the right to trace processes")
    assert result.exit_code == 0, result.stderr
    version = ".".join(map(str, sys.version_info[:2]))
    assert f"process {target.pid}: CPython {version}" in result.stdout
    assert "1 thread," in result.stdout
    assert "ways in, best first:" in result.stdout
    assert f"leakaudit runtime {target.pid} would use " in result.stdout
    assert target.poll() is None


def test_what_is_not_python_is_refused_with_a_reason() -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(b"ready\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        result = doctor(process.pid)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: ")
        assert "help: " in result.stderr
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=10)


def test_no_process_and_no_number() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait(timeout=30)
    result = doctor(process.pid)
    assert result.exit_code == 2
    assert f"there is no process {process.pid}" in result.stderr
    assert doctor("zero").exit_code == 2
    assert doctor(0).exit_code == 2
