"""The command group: help is fast, and every failure is a message and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import leakaudit
from leakaudit.cli import explain, main
from leakaudit.cli.exitcodes import ExitCode
from leakaudit.errors import ConfigError


def python(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=False, timeout=60)


def test_version_and_help() -> None:
    assert CliRunner().invoke(main.cli, ["--version"]).output == f"leakaudit {leakaudit.__version__}\n"
    result = CliRunner().invoke(main.cli, ["-h"])
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in main.COMMANDS)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main.cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f" {name} [OPTIONS]" in result.output


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_imports_nothing_heavy(name: str) -> None:
    code = (
        "import sys\nfrom leakaudit.cli.main import cli\n"
        f"cli.main([{name!r}, '--help'], standalone_mode=False)\n"
        "heavy = {'libcst', 'rich', 'psutil', 'objgraph', 'pympler', 'sqlite3', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_python_m() -> None:
    assert python("-m", "leakaudit", "--version").stdout == f"leakaudit {leakaudit.__version__}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["scan", "--nosuch"], "No such option"),
        (["scan", "--confidence", "certain"], "'certain' is not one of 'low', 'medium', 'high'"),
        (["scan", "--jobs", "0"], "0 is not in the range"),
        (["doctor", "abc"], "'abc' is not the number of a process"),
        (["monitor", "0"], "'0' is not the number of a process"),
        (["compare", "--warmup", "200%", "--", "true"], "neither a time nor a share"),
    ],
)
def test_wrong_usage_is_exit_2(args: list[str], message: str) -> None:
    result = CliRunner().invoke(main.cli, args)
    assert result.exit_code == ExitCode.FAILED
    assert message in result.stderr
    assert result.stdout == ""


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    @click.command()
    def command() -> None:
        raise request.param

    monkeypatch.setattr(explain, "explain", command)
    monkeypatch.delenv("LEAKAUDIT_TRACEBACK", raising=False)


def invoke() -> tuple[int, str, str]:
    result = CliRunner().invoke(main.cli, ["explain"])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("failing", [ConfigError("it is broken", "mend it")], indirect=True)
def test_an_error_is_told_with_its_remedy(failing: None) -> None:
    assert invoke() == (2, "", "error: it is broken\nhelp: mend it\n")


@pytest.mark.parametrize("failing", [ZeroDivisionError("by zero")], indirect=True)
def test_a_bug_is_told_without_a_traceback(failing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = invoke()
    assert (code, out) == (2, "")
    assert err.startswith(
        "error: ZeroDivisionError: by zero\nhelp: this is a bug in leakaudit; please report it"
    )
    assert "Traceback" not in err
    monkeypatch.setenv("LEAKAUDIT_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(main.cli, ["explain"], catch_exceptions=False)


@pytest.mark.parametrize("failing", [KeyboardInterrupt(), click.Abort()], indirect=True)
def test_an_interrupt_is_exit_130(failing: None) -> None:
    code, _, err = invoke()
    assert (code, err.strip()) == (130, "interrupted")


def test_a_closed_pipe_is_no_bug() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "leakaudit", "explain"],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (2, "")


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk is made of /dev/full")


@FULL
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("args", [["explain"], ["--help"], ["nosuch"]])
def test_a_full_disk_is_no_bug_of_ours(args: list[str], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "leakaudit", *args]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False, timeout=60
        )
        silent = subprocess.run(command, stdout=full, stderr=full, env=environment, check=False, timeout=60)
    assert (done.returncode, silent.returncode) == (ExitCode.FAILED, ExitCode.FAILED)
    assert "No space left on device" in done.stderr or args == ["nosuch"]


@pytest.mark.skipif(os.name != "posix", reason="a shell closes streams")
@pytest.mark.parametrize(
    ("closed", "code"), [("<&-", ExitCode.CLEAN), (">&-", ExitCode.FAILED), ("2>&-", ExitCode.CLEAN)]
)
def test_a_closed_stream_is_no_bug_of_ours(closed: str, code: ExitCode) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m leakaudit explain {closed}', sys.executable],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code
    assert "bug" not in done.stderr
    assert ("cannot write to stdout" in done.stderr) == (closed == ">&-")
