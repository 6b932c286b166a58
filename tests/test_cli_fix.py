"""`leakaudit scan --fix` and `--diff`: what is written, what is printed, what the exit code says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leakaudit.cli.main import cli

SAFE = """\
def handle_request(request, seen=[]):
    seen.append(request.id)
    return seen
"""
FIXED = """\
def handle_request(request, seen=None):
    if seen is None:
        seen = []
    seen.append(request.id)
    return seen
"""
UNSAFE = """\
from functools import cache


@cache
def profile(user_id):
    return {"id": user_id}


def handle_request(request):
    return profile(request.user_id)
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a finding that can be fixed safely."""
    here = tmp_path / "project"
    here.mkdir()
    (here / "app.py").write_text(SAFE)
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return here


def scan(*args: str) -> Result:
    return CliRunner().invoke(cli, ["scan", *args], catch_exceptions=False)


def test_fix_writes_and_exits_0_when_nothing_is_left() -> None:
    result = scan("--fix")
    assert result.exit_code == 0
    assert Path("app.py").read_text() == FIXED
    text = " ".join(result.stdout.split())
    assert "note: app.py:1: fixed LA107 mutable-default-grown: default `seen` to None" in text
    assert "0 findings; 1 fixed;" in text
    again = scan("--fix")
    assert again.exit_code == 0
    assert "fixed" not in again.stdout


def test_fix_exits_1_when_findings_remain() -> None:
    Path("cached.py").write_text(UNSAFE)
    result = scan("--fix")
    assert result.exit_code == 1
    assert Path("cached.py").read_text() == UNSAFE
    text = " ".join(result.stdout.split())
    assert "fix: keep the 128 results used last (unsafe)" in text
    assert "note: 1 more can be fixed with --unsafe-fixes" in text
    assert scan("--fix", "--unsafe-fixes").exit_code == 0
    assert "lru_cache(maxsize=128)" in Path("cached.py").read_text()


def test_the_json_report_holds_what_was_fixed_and_the_fixes_on_offer() -> None:
    Path("cached.py").write_text(UNSAFE)
    report = json.loads(scan("--fix", "--format", "json").stdout)
    (left,), (gone,) = report["findings"], report["fixed"]
    assert (left["rule"], left["fix"]["safe"]) == ("LA401", False)
    assert (gone["rule"], gone["fix"]["safe"]) == ("LA107", True)
    assert report["summary"]["fixed"] == 1
    data = SAFE.encode()
    for start, end, text in reversed(gone["fix"]["edits"]):
        data = data[:start] + text.encode() + data[end:]
    assert data.decode() == FIXED
    assert scan("--format", "json").stdout.count('"fix": null') == 1


def test_diff_changes_nothing_and_exits_1_if_it_would() -> None:
    result = scan("--diff")
    assert result.exit_code == 1
    assert Path("app.py").read_text() == SAFE
    assert result.stdout.startswith("--- app.py\n+++ app.py\n@@ -1,3 +1,5 @@\n")
    assert "would fix 1 finding in 1 file" in result.stderr
    assert scan("--diff", "--exit-zero").exit_code == 0
    Path("app.py").write_text(UNSAFE)
    result = scan("--diff")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1 more can be fixed with --unsafe-fixes" in result.stderr
    assert scan("--diff", "--unsafe-fixes", "-q").stderr == ""


def test_the_diff_applies(project: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git here")
    Path("app.py").write_text("# \x0c é\n" + SAFE.rstrip("\n"))
    assert scan("--diff", "-o", "fix.diff").exit_code == 1
    subprocess.run(["git", "apply", "-p0", "fix.diff"], check=True, cwd=project, timeout=30)
    patched = Path("app.py").read_bytes()
    Path("app.py").write_text("# \x0c é\n" + SAFE.rstrip("\n"))
    scan("--fix")
    assert Path("app.py").read_bytes() == patched


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--fix", "--diff"], "--fix changes files and --diff does not"),
        (["--unsafe-fixes"], "--unsafe-fixes alone fixes nothing"),
        (["--diff", "--format", "json"], "--diff prints a diff and nothing else"),
        (["--diff", "--write-baseline", "b.json"], "--diff prints a diff and nothing else"),
    ],
)
def test_contradictions_are_refused(args: list[str], message: str) -> None:
    result = scan(*args)
    assert result.exit_code == 2
    assert message in result.stderr


def test_what_is_silenced_stays() -> None:
    text = SAFE.replace("[]):", "[]):  # leakaudit: ignore[LA107] on purpose")
    Path("app.py").write_text(text)
    assert scan("--fix").exit_code == 0
    assert Path("app.py").read_text() == text


def test_mode_and_links_stay() -> None:
    Path("real").mkdir()
    Path("app.py").rename("real/main.py")
    Path("real/main.py").chmod(0o750)
    Path("app.py").symlink_to("real/main.py")
    assert scan("--fix", "app.py").exit_code == 0
    assert Path("app.py").is_symlink()
    assert Path("real/main.py").read_text() == FIXED
    assert Path("real/main.py").stat().st_mode & 0o777 == 0o750
    assert os.listdir("real") == ["main.py"]


def test_a_broken_file_among_them_is_told() -> None:
    Path("broken.py").write_text("x = (\n")
    result = scan("--diff", "app.py", "broken.py")
    assert result.exit_code == 2
    assert "broken.py:1: could not be read" in result.stderr
    assert "+++ app.py" in result.stdout


def test_an_ordinary_scan_never_imports_libcst(project: Path) -> None:
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom leakaudit.cli.main import cli\n"
        "result = CliRunner().invoke(cli, ['scan', '--no-cache', '--jobs', '1'])\n"
        "assert result.exit_code == 1, result.output\nassert 'libcst' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=project, timeout=60)


def test_only_what_is_named_is_changed() -> None:
    Path("other.py").write_text(SAFE)
    assert scan("--fix", "app.py").exit_code == 0
    assert Path("app.py").read_text() == FIXED
    assert Path("other.py").read_text() == SAFE
