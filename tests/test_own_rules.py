"""The rules in docs/writing-a-rule.md work as the page says, and a rule that fails is named by its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leakaudit.cli.main import cli

PAGE = (Path(__file__).resolve().parent.parent / "docs/writing-a-rule.md").read_text(encoding="utf-8")
SYNTACTIC, LINKED, FIX = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SIGNALS = """\
from acme import saved


class Audit:
    def watch(self, sender):
        saved.connect(self.log, sender=sender, weak=False)
        saved.connect(self.log, sender=sender)


saved.connect(print, weak=False)
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a rule and a file that it finds something in."""
    here = tmp_path / "project"
    (here / "leak_rules").mkdir(parents=True)
    (here / "leak_rules/strong_receiver.py").write_text(SYNTACTIC)
    (here / "app.py").write_text(SIGNALS)
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return here


def scan(*args: str) -> Result:
    arguments = ["scan", "app.py", "--rules", "leak_rules", *args]
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_the_example_is_ten_lines() -> None:
    assert len([line for line in SYNTACTIC.splitlines() if line.strip()]) <= 10


def test_the_syntactic_example() -> None:
    result = scan("--select", "ACME1", "--format", "json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert [(item["rule"], item["line"], item["column"], item["symbol"]) for item in report["findings"]] == [
        ("ACME1", 6, 9, "app.Audit.watch"),
        ("ACME1", 10, 1, "app"),
    ]
    first = report["findings"][0]
    assert (first["end_line"], first["end_column"], first["confidence"]) == (6, 59, "medium")
    assert len({item["fingerprint"] for item in report["findings"]}) == 2
    assert "strong-receiver" in CliRunner().invoke(cli, ["explain", "--rules", "leak_rules", "ACME1"]).stdout


def test_comments_silence_it() -> None:
    Path("app.py").write_text(
        SIGNALS.replace("weak=False)\n", "weak=False)  # leakaudit: ignore[ACME1] few\n")
    )
    assert scan("--select", "ACME1").exit_code == 0


def test_only_files_with_the_text_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    import libcst

    Path("app.py").write_text(SIGNALS.replace("weak=False", "weak=True"))
    monkeypatch.setattr(libcst, "parse_module", lambda text: pytest.fail("parsed"))
    assert scan("--select", "ACME1").exit_code == 0


def test_the_linked_example() -> None:
    Path("leak_rules/connection_per_call.py").write_text(LINKED)
    Path("app.py").write_text(
        "from acme import Connection\n\n\ndef work():\n    while True:\n        step()\n\n\n"
        "def step():\n    return Connection()\n\n\nsetup = Connection()\n"
    )
    result = scan("--select", "ACME2", "--format", "json")
    (found,) = json.loads(result.stdout)["findings"]
    assert (found["line"], found["confidence"]) == (10, "medium")


def test_the_fix() -> None:
    rule = (
        SYNTACTIC.replace("import libcst.matchers", "import libcst as cst\nimport libcst.matchers")
        + "\n"
        + FIX
    )
    Path("leak_rules/strong_receiver.py").write_text(rule)
    assert scan("--select", "ACME1", "--fix").exit_code == 1
    assert scan("--select", "ACME1", "--fix", "--unsafe-fixes").exit_code == 0
    assert Path("app.py").read_text() == SIGNALS.replace(
        "sender=sender, weak=False", "sender=sender"
    ).replace("print, weak=False", "print")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("m.findall(module.tree, CONNECT)", "module.nothing", 12),
        ("yield self.suspect(", "1 / 0; yield self.suspect(", 13),
    ],
)
def test_a_rule_that_fails_is_named(old: str, new: str, line: int) -> None:
    assert old in SYNTACTIC
    Path("leak_rules/strong_receiver.py").write_text(SYNTACTIC.replace(old, new))
    result = scan()
    assert result.exit_code == 2
    text = " ".join(result.stdout.split())
    assert f"leak_rules/strong_receiver.py:{line}: " in text
    assert "the rule ACME1 failed on app.py" in text


def test_a_fix_that_fails_is_named() -> None:
    Path("leak_rules/strong_receiver.py").write_text(
        SYNTACTIC + "\n    def fix(self, finding, module):\n        1 / 0\n"
    )
    result = scan("--select", "ACME1", "--fix")
    assert result.exit_code == 2
    text = " ".join(result.stdout.split())
    assert "the rule ACME1 failed on app.py (ZeroDivisionError" in text
    assert "2 findings (2 medium)" in text


def test_a_file_that_libcst_cannot_parse_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import libcst

    parse = libcst.parse_module
    monkeypatch.setattr(libcst, "parse_module", lambda text: parse("x = ("))
    result = scan("--select", "ACME1", ".")
    assert "app.py: could not be read: LibCST cannot parse it" in result.stdout
