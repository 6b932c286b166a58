"""Decide each finding's fate, once: severity, per-file ignores, comments, the baseline, the threshold."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from leakaudit.findings import Confidence, Finding, Location, Severity, Suppression, baseline, suppression
from leakaudit.findings.order import by_place
from leakaudit.scan.selection import matches, unknown_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from leakaudit.findings.baseline import Entry
    from leakaudit.findings.report import Report
    from leakaudit.findings.suppression import Comment
    from leakaudit.scan.config import Config
    from leakaudit.scan.rule import Rule


@dataclass(frozen=True, slots=True)
class Terms:
    """What findings are judged by. `rules` are all that exist, `ran` those that ran, `audited` the files read."""

    config: Config
    rules: Sequence[Rule]
    ran: Sequence[Rule]
    comments: Mapping[str, Sequence[Comment]] = field(default_factory=dict)
    baseline: Sequence[Entry] = ()
    audited: Collection[str] = ()
    threshold: Confidence = Confidence.MEDIUM


def decide(report: Report, terms: Terms) -> Report:
    """Return the report with severities, suppressions and the threshold set, and a note for each stale comment."""
    severity = _severities(terms)
    findings = [
        replace(item, severity=severity.get(item.rule, item.severity)) for item in by_place(report.findings)
    ]
    ignored = _per_file(terms.config, terms.rules)
    commented = suppression.apply(map(ignored, findings), terms.comments)
    known = baseline.apply(commented.findings, terms.baseline)
    stale = suppression.complaints(commented.unused, _words(terms.rules), _words(terms.ran))
    gone = [entry for entry in known.fixed if entry.path in terms.audited]
    notes = (*report.notes, *stale, *_gone_note(len(gone)))
    return replace(report, findings=known.findings, notes=notes, threshold=terms.threshold)


def _gone_note(gone: int) -> tuple[str, ...]:
    verb = "is" if gone == 1 else "are"
    return (f"{gone} of the baseline's findings {verb} gone: --write-baseline drops them",) if gone else ()


def _words(rules: Iterable[Rule]) -> set[str]:
    return {word for rule in rules for word in (rule.code, rule.name)}


def _severities(terms: Terms) -> dict[str, Severity]:
    """Return the severity per code that the configuration sets; a later selector wins."""
    result: dict[str, Severity] = {}
    for selector, severity in terms.config.severity.items():
        codes = [rule.code for rule in terms.rules if matches(selector, rule.code, rule.name)]
        if not codes:
            raise unknown_rule(selector, terms.rules)
        result.update(dict.fromkeys(codes, severity))
    return result


def _per_file(config: Config, rules: Sequence[Rule]) -> Callable[[Finding], Finding]:
    """Return what applies `per-file-ignores` to a finding."""
    if not config.per_file_ignores:
        return lambda finding: finding
    from pathspec import GitIgnoreSpec

    for selector in (selector for selectors in config.per_file_ignores.values() for selector in selectors):
        if not any(matches(selector, rule.code, rule.name) for rule in rules):
            raise unknown_rule(selector, rules)
    table = [
        (pattern, GitIgnoreSpec.from_lines([pattern]), codes)
        for pattern, codes in config.per_file_ignores.items()
    ]

    def ignore(finding: Finding) -> Finding:
        path = os.path.relpath(finding.location.path, config.root)
        for pattern, spec, selectors in table:
            if any(
                matches(selector, finding.rule, finding.name) for selector in selectors
            ) and spec.match_file(path):
                why = Suppression("config", f"per-file-ignores {pattern}", Location(config.path, 1))
                return replace(finding, suppressed=why)
        return finding

    return ignore
