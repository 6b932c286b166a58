"""A rule that fails is told, with its file and line; what the others find stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from leakaudit.cli.main import cli

RULE = '''
from leakaudit.scan.rule import Rule, Suspect, SyntacticRule
from leakaudit.findings import Evidence, Location


class Faulty({base}):
    """Fails.

    ## What it does
    Fails.
    ## Why it leaks
    It does not.
    ## Example
    x
    ## Use instead
    y
    ## What we do not flag
    z
    ## References
    none
    """

    code, name = "FAIL1", "faulty"

    {method}
'''
SUSPECTS = """def suspects(self, project):
        yield Suspect(Location("leaks.py", 2), "leaks.x", "found before it failed", (Evidence("a", "b", "c", 3),))
        raise KeyError("suspects")"""
CHECK = """def suspects(self, project):
        yield Suspect(Location("leaks.py", 2), "leaks.x", "m", (Evidence("a", "b", "c", 3),))

    def check(self, suspect, module):
        return module.no_such_thing"""
VISIT = """def visit(self, module):
        return 1 / 0"""
UNKNOWN = """def suspects(self, project):
        yield Suspect(Location("nowhere.py", 2), "x", "m", (Evidence("a", "b", "c", 3),))"""
LEAK = "_seen = {}\n\n\nasync def handle(request):\n    _seen[request.id] = request\n"


@pytest.mark.parametrize(
    ("base", "method", "reason"),
    [
        ("Rule", SUSPECTS, "the rule FAIL1 failed on the project (KeyError: 'suspects')"),
        ("Rule", CHECK, "the rule FAIL1 failed on leaks.py (AttributeError: "),
        ("SyntacticRule", VISIT, "the rule FAIL1 failed on leaks.py (ZeroDivisionError: "),
        ("Rule", UNKNOWN, "the rule FAIL1 failed on nowhere.py (KeyError: "),
    ],
)
def test_a_rule_that_fails(
    base: str, method: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "faulty.py").write_text(RULE.format(base=base, method=method))
    (tmp_path / "leaks.py").write_text(LEAK)
    monkeypatch.chdir(tmp_path)
    command = ["scan", "--no-cache", "--rules", "mine", "--format", "json", "-o", "report.json", "leaks.py"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 2, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    (error,) = report["errors"]
    assert error["reason"].startswith(reason)
    assert Path(error["path"]).name == "faulty.py"
    assert error["line"] > 1 or base == "SyntacticRule" or "nowhere" in reason
    assert "LA101" in {finding["rule"] for finding in report["findings"]}
    assert ("found before it failed" in {f["message"] for f in report["findings"]}) == (method is SUSPECTS)


def test_a_failure_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from leakaudit.scan.api import ScanOptions, examine
    from leakaudit.scan.loader import load_rules

    (tmp_path / "leaks.py").write_text(LEAK)
    rules = load_rules()
    options = ScanOptions(cache_dir=str(tmp_path / "cache"), loaded=rules, jobs=1)
    broken = next(rule for rule in rules if rule.code == "LA101")
    with monkeypatch.context() as patch:
        patch.setattr(type(broken), "suspects", lambda *_: 1 / 0)
        (error,) = examine([tmp_path], options).report.errors
        assert error.rule == "LA101"
    again = examine([tmp_path], options).report
    assert again.errors == ()
    assert "LA101" in {finding.rule for finding in again.findings}
