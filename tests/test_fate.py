"""One place decides a finding's fate, and everything that is silenced stays counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_samples import HITS, LISTENERS, QUIET

from leakaudit.errors import UsageError
from leakaudit.findings import Confidence, Location, Severity
from leakaudit.findings.baseline import Entry
from leakaudit.findings.report import Report
from leakaudit.findings.suppression import parse
from leakaudit.scan.config import Config
from leakaudit.scan.fate import Terms, decide
from leakaudit.scan.rule import Rule


def rule(code: str, name: str) -> Rule:
    return type(name.title(), (Rule,), {"code": code, "name": name})()


RULES = (rule("LA101", "unbounded-mapping"), rule("LA301", "handler-registry-never-cleared"))
REPORT = Report(kind="scan", findings=(HITS, LISTENERS, QUIET))


def terms(**changes: object) -> Terms:
    return replace(Terms(config=Config(), rules=RULES, ran=RULES), **changes)


def test_findings_come_out_by_place_under_the_threshold() -> None:
    report = decide(REPORT, terms(threshold=Confidence.HIGH))
    assert [item.symbol for item in report.findings] == [LISTENERS.symbol, QUIET.symbol, HITS.symbol]
    assert report.shown == (HITS,)
    assert report.notes == ()


@pytest.mark.parametrize("selector", ["LA301", "LA3", "handler-registry-never-cleared"])
def test_the_configuration_sets_severities(selector: str) -> None:
    report = decide(REPORT, terms(config=Config(severity={selector: Severity.INFO})))
    assert {item.rule: item.severity for item in report.findings} == {
        "LA101": Severity.WARNING,
        "LA301": Severity.INFO,
    }


@pytest.mark.parametrize(
    "config", [Config(severity={"LA999": Severity.INFO}), Config(per_file_ignores={"*.py": ("LA999",)})]
)
def test_an_unknown_rule_in_the_configuration_is_an_error(config: Config) -> None:
    with pytest.raises(UsageError, match="unknown rule `LA999`"):
        decide(REPORT, terms(config=config))


def test_per_file_ignores_are_relative_to_the_root() -> None:
    config = Config(root="server", path="server/pyproject.toml", per_file_ignores={"/hub.py": ("LA3",)})
    report = decide(REPORT, terms(config=config))
    assert {item.symbol for item in report.suppressed} == {LISTENERS.symbol, QUIET.symbol}
    assert {item.suppressed.by for item in report.suppressed if item.suppressed} == {"config"}
    missed = Config(root=".", per_file_ignores={"/hub.py": ("LA3",), "server/hub.py": ("LA1",)})
    assert decide(REPORT, terms(config=missed)).suppressed == ()


def test_comments_silence_and_stale_ones_are_noted() -> None:
    comments = {
        "server/hub.py": parse(
            "\n" * 8 + "x  # leakaudit: ignore[LA301] few\n# leakaudit: ignore[LA101]\ny\n"
        )
    }
    report = decide(REPORT, terms(comments=comments))
    assert {item.symbol for item in report.suppressed} == {LISTENERS.symbol, QUIET.symbol}
    assert report.notes == ("server/hub.py:10: unused suppression `ignore[LA101]`: nothing to silence here",)
    assert decide(REPORT, terms(comments=comments, ran=RULES[1:])).notes == ()


def test_the_baseline_silences_and_counts_what_is_gone() -> None:
    entries = (
        Entry("elsewhere.py", HITS.symbol, HITS.rule, HITS.fingerprint),
        Entry("server/hub.py", "gone", "LA101", "0" * 16),
        Entry("not/scanned.py", "unknown", "LA101", "1" * 16),
    )
    report = decide(REPORT, terms(baseline=entries, audited={"server/hub.py", "server/limits.py"}))
    assert [item.symbol for item in report.suppressed] == [HITS.symbol]
    assert report.notes == ("1 of the baseline's findings is gone: --write-baseline drops them",)


def test_a_moved_finding_keeps_its_place_in_the_baseline() -> None:
    moved = replace(HITS, location=Location("lib/limits.py", 99))
    entries = (Entry("server/limits.py", HITS.symbol, HITS.rule, HITS.fingerprint),)
    assert decide(REPORT.with_findings((moved,)), terms(baseline=entries)).shown == ()
