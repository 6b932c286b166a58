"""Where reports go: colours only where they are wanted, widths that fit, and files that can be written."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_samples import HOSTILE, RUNTIME, SCAN

from leakaudit.cli import output
from leakaudit.cli.color import color_wanted
from leakaudit.cli.main import cli
from leakaudit.errors import UsageError
from leakaudit.report import FORMATS
from leakaudit.source.discover import _tidy

LEAK = "_seen = {}\n\n\ndef handle(request):\n    _seen[request.id] = request\n"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def leak(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(LEAK)
    return tmp_path


def shown(columns: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", columns)
    stream = Terminal()
    with contextlib.redirect_stdout(stream):
        output.emit(RUNTIME, "text", None)
    return stream.getvalue()


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in shown("80", monkeypatch)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_not_where_it_wants_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert "\x1b" not in shown("80", monkeypatch)


@pytest.mark.parametrize("args", [("scan", "--no-color"), ("--no-color", "scan")])
def test_no_color(args: tuple[str, ...], leak: Path) -> None:
    CliRunner().invoke(cli, [*args, str(leak), "--no-cache", "--exit-zero"], catch_exceptions=False)
    assert not color_wanted()
    CliRunner().invoke(cli, ["scan", str(leak), "--no-cache", "--exit-zero"], catch_exceptions=False)
    assert color_wanted()


def on_a_terminal(cwd: Path, *args: str, **env: str) -> str:
    """Run leakaudit with a pseudo-terminal as its stdout and stderr; return what it wrote."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as reader:
        process = subprocess.Popen(
            (sys.executable, "-m", "leakaudit", *args),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "XDG_CACHE_HOME": str(cwd / "cache"), **env},
        )
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # the terminal's end, once its last writer has gone
            while part := reader.read(4096):
                text += part
        process.wait(60)
    return text.decode()


def test_on_a_real_terminal(leak: Path) -> None:
    assert "\x1b[" in on_a_terminal(leak, "scan", ".", "--exit-zero")
    for args, env in ((("--no-color",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})):
        assert "\x1b" not in on_a_terminal(leak, "scan", ".", "--exit-zero", *args, **env)
    assert "\x1b" not in on_a_terminal(leak, "scan", "nowhere.py", "--no-color")
    assert "-o report.html" in on_a_terminal(leak, "scan", ".", "--format", "html", "--no-color")


def test_brief_leaves_out_what_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit(RUNTIME, "text", None, brief=True)
    text = capsys.readouterr().out
    assert "server.limits._hits" in text
    assert "growth that no finding explains" in text
    assert "vitals" not in text


@pytest.mark.parametrize("columns", ["20", "60", "100", "400"])
def test_lines_fit_whatever_the_width(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = min(max(int(columns), 60), 120)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown(columns, monkeypatch)).splitlines()
    assert [line for line in lines if len(line) > wide] == []


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_can_be_written_to_a_file(format_: str, tmp_path: Path) -> None:
    for report in (SCAN, RUNTIME, HOSTILE):
        path = tmp_path / f"{report.kind}.out"
        output.emit(report, format_, str(path))
        assert path.read_bytes()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        output.emit(SCAN, "json", str(tmp_path / "nowhere" / "report.json"))


def test_stdout_that_knows_few_letters_gets_escapes() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with contextlib.redirect_stdout(stream):
        output.emit(HOSTILE, "text", None)
    assert b"\\u" in raw.getvalue()


def test_paths_of_windows_are_written_with_slashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sep", "\\")
    assert _tidy(".\\src\\app\\a.py") == "src/app/a.py"


@pytest.mark.parametrize("args", [["scan", "-o"], ["report", "x", "--html"], ["run", "--audit", "--output"]])
def test_a_file_that_cannot_be_written_is_told_at_once(args: list[str], leak: Path) -> None:
    result = CliRunner().invoke(cli, [*args, str(leak / "nowhere/report"), str(leak / "app.py")])
    assert result.exit_code == 2
    assert "nowhere/report (No such file or directory)" in result.stderr
    assert result.stdout == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk is made of /dev/full")
def test_what_was_watched_is_told_even_if_its_file_has_no_room(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="No space left"):
        output.emit(RUNTIME, "json", "/dev/full")
    assert capsys.readouterr().out.startswith("process ")
