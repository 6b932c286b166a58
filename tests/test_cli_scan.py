"""`leakaudit scan` end to end: what it prints where, and what its exit code says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leakaudit.cli.main import cli

LEAK = """\
from aiohttp import web

_sessions = {}


async def handle(request: web.Request) -> web.Response:
    _sessions[request.query["session"]] = request
    return web.Response()


app = web.Application()
app.router.add_get("/", handle)
"""
CLEAN = "x = 1\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a leak in it; the cache lies beside it."""
    here = tmp_path / "project"
    here.mkdir()
    (here / "app.py").write_text(LEAK)
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return here


def scan(*args: str) -> Result:
    return CliRunner().invoke(cli, ["scan", *args], catch_exceptions=False)


def findings(*args: str) -> list[dict[str, object]]:
    result = scan("--format", "json", *args)
    assert result.exit_code in (0, 1), result.stderr
    found = json.loads(result.stdout)["findings"]
    assert isinstance(found, list)
    return found


def test_a_leak_is_exit_1_and_told_on_stdout() -> None:
    result = scan()
    assert result.exit_code == 1
    assert "app.py:3:1 LA101 unbounded-mapping [" in result.stdout
    assert "3 | _sessions = {}" in result.stdout
    assert "app._sessions" in result.stdout
    assert "1 finding (" in result.stdout
    assert result.stderr == ""
    assert "\x1b" not in result.stdout


def test_a_clean_file_is_exit_0() -> None:
    Path("app.py").write_text(CLEAN)
    result = scan("app.py")
    assert (result.exit_code, result.stdout[:11]) == (0, "0 findings;")


def test_json() -> None:
    (found,) = findings()
    assert (found["rule"], found["path"], found["line"], found["symbol"]) == (
        "LA101",
        "app.py",
        3,
        "app._sessions",
    )


def test_the_second_scan_comes_from_the_cache_and_says_the_same() -> None:
    assert findings() == findings() == findings("--no-cache")


def test_output_goes_to_a_file() -> None:
    result = scan("--format", "json", "-o", "report.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert json.loads(Path("report.json").read_text())["summary"]["findings"] == 1
    result = scan("-o", "no/such/folder.txt")
    assert result.exit_code == 2
    assert "cannot write no/such/folder.txt" in result.stderr


def test_a_file_that_cannot_be_opened_for_output_leaves_no_half_report() -> None:
    Path("report.json").write_text("old")
    assert scan("nosuch", "-o", "report.json", "--rules", "none").exit_code == 2
    assert Path("report.json").read_text() == "old"


def test_the_threshold_decides_what_is_shown_and_the_exit_code() -> None:
    level = str(findings()[0]["confidence"])
    above = {"medium": "high", "high": None}[level]
    assert scan("--confidence", level).exit_code == 1
    if above:
        result = scan("--confidence", above)
        assert result.exit_code == 0
        assert f"1 {level}-confidence hidden" in result.stdout


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--select", "LA101"], 1),
        (["--select", "LA3,unbounded-mapping"], 1),
        (["--select", "LA301"], 0),
        (["--ignore", "LA101"], 0),
        (["--exit-zero"], 0),
        (["--select", "LA999"], 2),
        (["--ignore", "ALL"], 2),
    ],
)
def test_rules_are_selected(args: list[str], code: int) -> None:
    assert scan(*args).exit_code == code


def test_a_comment_silences_and_is_counted() -> None:
    Path("app.py").write_text(LEAK.replace("= {}", "= {}  # leakaudit: ignore[LA101] few"))
    result = scan()
    assert result.exit_code == 0
    assert "0 findings; 1 suppressed" in result.stdout
    (found,) = findings()
    assert found["suppressed"] == {"by": "comment", "reason": "few", "path": "app.py", "line": 3}


def test_an_unused_comment_is_named() -> None:
    Path("app.py").write_text(CLEAN + "y = 2  # leakaudit: ignore[LA101]\n")
    assert "note: app.py:2: unused suppression `ignore[LA101]`" in scan().stdout


def test_the_baseline() -> None:
    result = scan("--write-baseline", "leaks.json")
    assert result.exit_code == 0
    assert "1 finding written to leaks.json" in result.stderr
    Path("app.py").write_text("\n\n" + LEAK)
    result = scan("--baseline", "leaks.json")
    assert result.exit_code == 0
    assert "0 findings; 1 suppressed" in result.stdout
    Path("app.py").write_text(CLEAN)
    assert "1 of the baseline's findings is gone" in scan("--baseline", "leaks.json").stdout
    result = scan("--write-baseline", "leaks.json")
    assert "0 findings written to leaks.json; 1 of those that it held is gone\n" in result.stderr
    Path("app.py").write_text(LEAK)
    result = scan("--write-baseline", "leaks.json")
    assert "1 finding written to leaks.json; 1 of them is new\n" in result.stderr
    assert scan("--baseline", "none.json").exit_code == 2


def test_the_configuration_and_no_config(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.leakaudit]\nignore = ["LA101"]\n')
    assert scan().exit_code == 0
    assert scan("--no-config").exit_code == 1
    (project / "pyproject.toml").write_text('[tool.leakaudit]\nexclude = ["/app.py"]\n')
    (project / "other.py").write_text(CLEAN)
    assert scan().exit_code == 0
    assert scan("app.py").exit_code == 1
    (project / "pyproject.toml").write_text('[tool.leakaudit]\nper-file-ignores = {"app.py" = ["LA1"]}\n')
    assert "1 suppressed" in scan().stdout
    (project / "pyproject.toml").write_text('[tool.leakaudit]\nbaseline = "leaks.json"\n')
    assert scan("--write-baseline", "leaks.json").exit_code == 0
    assert scan().exit_code == 0
    (project / "pyproject.toml").write_text("[tool.leakaudit]\nslect = []\n")
    result = scan()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean `select`?" in result.stderr


def test_exclude() -> None:
    Path("gen").mkdir()
    Path("gen/app.py").write_text(LEAK)
    assert {found["path"] for found in findings("--exclude", "gen/")} == {"app.py"}


def test_no_python_file_is_an_error_but_not_for_a_hook() -> None:
    Path("app.py").rename("app.txt")
    result = scan(".")
    assert result.exit_code == 2
    assert "no Python files under ." in result.stderr
    result = scan("app.txt")
    assert result.exit_code == 2
    assert "app.txt: not Python source" in result.stderr
    assert "exclude" not in scan(".").stderr
    assert "or exclude less" in scan(".", "--exclude", "*").stderr
    assert "a path is empty" in scan("").stderr


def test_a_hook_may_have_nothing_to_scan() -> None:
    Path("app.txt").touch()
    result = scan("app.txt", "--force-exclude")
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads(scan("app.txt", "--force-exclude", "--format", "json").stdout)["findings"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux only")
def test_a_file_may_have_a_name_that_is_no_text(project: Path) -> None:
    os.rename(os.fsencode(project / "app.py"), os.fsencode(project) + b"/\xff.py")
    for _ in range(2):
        assert scan().exit_code == 1


def test_force_exclude_is_for_hooks(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.leakaudit]\nexclude = ["app.py"]\n')
    assert scan("app.py").exit_code == 1
    result = scan("app.py", "--force-exclude")
    assert (result.exit_code, result.output) == (0, "")


def test_a_broken_file_below_a_folder_is_told_and_the_rest_is_audited() -> None:
    Path("broken.py").write_text("x = (\n")
    result = scan(".")
    assert result.exit_code == 1
    assert "broken.py:1: could not be read: " in result.stdout
    assert "1 file could not be read" in result.stdout


@pytest.mark.parametrize("path", ["broken.py", "nosuch.py"])
def test_a_named_path_that_cannot_be_audited_is_exit_2(path: str) -> None:
    Path("broken.py").write_text("x = (\n")
    result = scan(path, "app.py")
    assert result.exit_code == 2
    assert f"{path}" in result.stdout
    assert "LA101" in result.stdout


def test_nothing_but_broken_files_is_exit_2() -> None:
    Path("app.py").write_text("x = (\n")
    assert scan(".").exit_code == 2


def test_user_rules(tmp_path: Path) -> None:
    result = scan("--rules", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "is not a folder" in result.stderr


def test_statistics_and_quiet() -> None:
    assert "     1  LA101  unbounded-mapping\n" in scan("--statistics").stdout
    text = scan("-q").stdout
    assert "app.py:3:1 LA101" in text
    assert "finding (" not in text


def test_jobs_give_the_same() -> None:
    assert findings("--jobs", "1", "--no-cache") == findings("--jobs", "2", "--no-cache")
