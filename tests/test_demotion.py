"""Findings in tests and generated files are never more than low, unless their folder was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leakaudit.findings import Confidence, Evidence, Location
from leakaudit.scan.demotion import Demotion
from leakaudit.scan.rule import Suspect


def suspect(path: str, weight: int = 9) -> Suspect:
    return Suspect(Location(path, 1), "a.x", "grows", (Evidence("key", "fresh", "new every time", weight),))


def confidence(path: str, *roots: str, base: str = ".", generated: bool = False) -> Confidence:
    return Demotion(roots, base).apply(suspect(path), generated).confidence


@pytest.mark.parametrize(
    ("path", "roots"),
    [
        ("tests/helper.py", ["."]),
        ("src/test_app.py", ["./src/"]),
        ("src/testdata/app.py", ["src"]),
        ("tests/helper.py", ["tests/helper.py"]),
        ("a/tests/helper.py", ["a/tests/helper.py", "a"]),
    ],
)
def test_below_the_scanned_folder(path: str, roots: list[str]) -> None:
    assert confidence(path, *roots) is Confidence.LOW


@pytest.mark.parametrize(
    ("path", "roots"),
    [
        ("tests/fixtures/app.py", ["tests/fixtures"]),
        ("tests/app.py", [".", "tests/"]),
        ("app.py", ["app.py"]),
    ],
)
def test_who_names_a_folder_of_tests_wants_to_hear_of_it(path: str, roots: list[str]) -> None:
    assert confidence(path, *roots) is Confidence.HIGH


def test_a_named_file_is_judged_by_its_path_below_the_base(tmp_path: Path) -> None:
    path = str(tmp_path / "tests" / "project" / "app.py")
    assert confidence(path, path, base=str(tmp_path)) is Confidence.LOW
    assert confidence(path, path, base=str(tmp_path / "tests" / "project")) is Confidence.HIGH


def test_a_generated_file() -> None:
    lowered = Demotion().apply(suspect("app.py"), generated=True)
    assert lowered.confidence is Confidence.LOW
    assert lowered.evidence[-1].value == "generated"


def test_what_is_low_anyway_is_not_called_demoted() -> None:
    low = suspect("tests/helper.py", weight=1)
    assert Demotion(["."]).apply(low, generated=True) is low


LEAK = """\
from aiohttp import web

_sessions = {}


async def handle(request: web.Request) -> web.Response:
    _sessions[request.query["session"]] = request
    return web.Response()


app = web.Application()
app.router.add_get("/", handle)
"""


def test_the_summary_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from leakaudit.cli.main import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for path in ("app.py", "tests/server.py", "schema_pb2.py"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(LEAK)
    result = CliRunner().invoke(cli, ["scan", "."], catch_exceptions=False)
    assert result.exit_code == 1
    assert "1 finding (" in result.stdout
    assert "2 demoted (in tests or generated files)" in " ".join(result.stdout.split())
    result = CliRunner().invoke(cli, ["scan", ".", "--format", "json"], catch_exceptions=False)
    summary = json.loads(result.stdout)["summary"]
    assert (summary["findings"], summary["demoted"], summary["hidden"]) == (1, 2, 2)
    result = CliRunner().invoke(cli, ["scan", ".", "--confidence", "low"], catch_exceptions=False)
    assert "tests/server.py:3" in result.stdout
