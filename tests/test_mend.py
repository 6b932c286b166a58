"""What every fix keeps: its finding is gone, the file parses, nothing else changes, and a second time there is nothing to do."""

from __future__ import annotations

import ast
import codecs
from dataclasses import replace
from pathlib import Path

import pytest
from fixing import RULES, decided, fixed, mended, scanned

from leakaudit.findings import Finding, Fix
from leakaudit.scan import mend as mending
from leakaudit.scan.mend import mend
from leakaudit.scan.module import Module
from leakaudit.scan.rule import Rule

FIXTURES = Path(__file__).parent / "fixtures"
BAD = sorted(path for path in FIXTURES.glob("*/bad.py"))
each_fixture = pytest.mark.parametrize(
    "text", [path.read_text() for path in BAD], ids=[p.parent.name for p in BAD]
)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


@each_fixture
@pytest.mark.parametrize("unsafe", [False, True], ids=["safe", "unsafe"])
def test_a_fix_keeps_what_it_promises(app: Path, text: str, unsafe: bool) -> None:
    result = mended(app, text, unsafe=unsafe)
    if not result.changes:
        return
    (change,) = result.changes
    assert unsafe or all(finding.fix and finding.fix.safe for finding in result.report.fixed)
    assert app.read_text() == text == change.before.text
    ast.parse(change.after.text)
    app.write_text(change.after.text)
    left = {finding.fingerprint for finding in scanned(str(app)).report.shown}
    assert left.isdisjoint(finding.fingerprint for finding in result.report.fixed)
    assert not mended(app, change.after.text, unsafe=unsafe).changes
    kept = [line for line in text.splitlines() if "expect:" not in line]
    assert len(kept) - sum(line in change.after.text for line in kept) <= 4 * len(result.report.fixed)


@each_fixture
def test_line_ends_stay(app: Path, text: str) -> None:
    unix, dos = fixed(app, text, unsafe=True), fixed(app, text.replace("\n", "\r\n"), unsafe=True)
    assert dos == unix.replace("\n", "\r\n")


def test_some_fixtures_are_fixed_safely_and_some_not(app: Path) -> None:
    safe = {path.parent.name for path in BAD if mended(app, path.read_text()).changes}
    both = {path.parent.name for path in BAD if mended(app, path.read_text(), unsafe=True).changes}
    assert {"mutable_default_grown", "task_retained", "tensor_graph_accumulated"} <= safe
    assert {"instance_registry", "unbounded_function_cache", "cleanup_misses"} <= both - safe


DEFAULTS = "def handle_request(request, seen=[], *, names=[]):\n    seen.append(request)\n    names.append(request.id)\n    return seen, names\n"


def test_fixes_that_touch_come_one_after_the_other(app: Path) -> None:
    result = mended(app, DEFAULTS)
    assert len(result.report.fixed) == 2
    assert result.changes[0].after.text.count("is None") == 2


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + ("# é\n" + DEFAULTS).encode(),
        ("# coding: latin-1\n# é\n" + DEFAULTS.replace("return", "'é'; return")).encode("latin-1"),
        DEFAULTS.rstrip("\n").encode(),
        ("\x0c\n" + DEFAULTS.replace("seen.append", "'\u2028'; seen.append")).encode(),
    ],
    ids=["byte order mark", "latin-1", "no last line end", "form feed and line separator"],
)
def test_bytes_stay(app: Path, data: bytes) -> None:
    (change,) = mended(app, data).changes
    added = b"    if seen is None:\n        seen = []\n", b"    if names is None:\n        names = []\n"
    back = change.after.data.replace(b"=None", b"=[]")
    for lines in added:
        assert lines in back
        back = back.replace(lines, b"")
    assert back == data


class Spoiled(Rule):
    """Mends the findings of another rule badly."""

    def __init__(self, rule: Rule, after: str) -> None:
        self.code, self.name, self.general = rule.code, rule.name, rule.general  # type: ignore[misc]
        self._rule = rule
        self._after = after

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Replace the whole file."""
        return Fix("spoil it", True, ((0, len(module.source.data), self._after),))


@pytest.mark.parametrize(
    "after",
    ["def broken(:\n", DEFAULTS + "# no better\n", DEFAULTS.replace("seen", "seen_too")],
    ids=["does not parse", "does not help", "makes another finding"],
)
def test_a_fix_that_does_not_help_is_taken_back(app: Path, after: str) -> None:
    text = DEFAULTS.replace("*, names=[]", "names").replace("seen=[], names", "names, seen=[]")
    app.write_text(text)
    scan = scanned(str(app))
    (rule,) = (rule for rule in RULES if rule.code == "LA107")
    spoiled = replace(scan, basis=replace(scan.basis, rules=[Spoiled(rule, after)]))
    asked = []

    def run_rules(facts: object, basis: object, sources: object) -> object:
        asked.append(sources)
        return real(facts, replace(basis, rules=RULES), sources)  # type: ignore[type-var]

    from leakaudit.scan import api

    real = api.run_rules
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "run_rules", run_rules)
        result = mend(spoiled, decided)
    assert not result.changes
    assert not result.report.fixed
    assert [finding.rule for finding in result.report.shown] == ["LA107"]
    assert len(asked) <= mending.MOST_ROUNDS


def test_what_is_silenced_is_not_fixed(app: Path) -> None:
    app.write_text(DEFAULTS)
    scan = scanned(str(app))
    assert not mend(scan, lambda s: replace(s.report, findings=())).changes
