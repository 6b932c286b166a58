"""Pass 2: link the facts, ask the rules, decide which findings stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leakaudit.facts.custom import Tables
from leakaudit.facts.model import FileFacts
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Finding
from leakaudit.findings.report import FileError
from leakaudit.scan.demotion import Demotion
from leakaudit.scan.rule import Rule
from leakaudit.scan.suspects import Inquiry
from leakaudit.source import SourceFile


@dataclass(frozen=True, slots=True)
class Basis:
    """What turns facts into findings; those below `least` are neither confirmed nor returned."""

    rules: Sequence[Rule]
    demotion: Demotion = field(default_factory=Demotion)
    least: Confidence = Confidence.LOW
    tables: Tables = field(default_factory=Tables)


def run_rules(
    facts: Mapping[str, FileFacts],
    basis: Basis,
    sources: Mapping[str, SourceFile] | None = None,
) -> tuple[list[Finding], list[FileError]]:
    """Link the facts, ask every rule for suspects, and let it check those that are sure enough to be shown.

    A rule that fails is an error in the list; what the others find stands.
    """
    inquiry = Inquiry(Project(facts, basis.tables), basis.rules, sources)
    findings: list[Finding] = []
    for rule, raw, module in inquiry:
        with inquiry.surviving(rule, module.path):
            suspect = basis.demotion.apply(raw, facts[module.path].generated)
            finding = rule.check(suspect, module) if suspect.confidence.rank >= basis.least.rank else None
            if finding is not None:
                findings.append(finding)
    general = {rule.code for rule in basis.rules if rule.general}
    specific = {(f.location.path, f.symbol) for f in findings if f.rule not in general}
    findings = [f for f in findings if f.rule not in general or (f.location.path, f.symbol) not in specific]
    findings.sort(key=lambda f: (f.location.path, f.location.line, f.location.column, f.rule, f.symbol))
    return findings, inquiry.errors
