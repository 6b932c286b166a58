"""What a rule is. Rules live in rules/ (or a folder given by --rules), one class per file, and import only this API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from leakaudit.findings import Confidence, Evidence, Finding, Fix, Location, Probe, Related, Severity

if TYPE_CHECKING:
    import libcst as cst

    from leakaudit.facts.project import Project
    from leakaudit.scan.module import Module

#: Sum of evidence weights from which a suspect counts as high, medium; below that it is low.
HIGH_SCORE = 6
MEDIUM_SCORE = 3


@dataclass(frozen=True, slots=True)
class Suspect:
    """A place that a rule wants confirmed: where, what, and the evidence that the Project gave for it."""

    location: Location
    symbol: str
    message: str
    evidence: tuple[Evidence, ...] = ()
    related: tuple[Related, ...] = ()
    notes: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    probe: Probe | None = None
    scope: str = ""
    cap: Confidence = Confidence.HIGH

    @property
    def confidence(self) -> Confidence:
        """The named evidence summed up, no higher than `cap`."""
        score = sum(item.weight for item in self.evidence)
        level = (
            Confidence.HIGH
            if score >= HIGH_SCORE
            else Confidence.MEDIUM
            if score >= MEDIUM_SCORE
            else Confidence.LOW
        )
        return level if level.rank <= self.cap.rank else self.cap


class Rule:
    """Base of all rules. The subclass's docstring is the rule's page; its Example and Use instead are run by tests.

    `suspects` asks the linked Project; `check` may open the file's LibCST tree (`module.tree`) to confirm what
    needs full syntax, and returns None when the suspicion does not hold.
    """

    code: ClassVar[str] = ""
    name: ClassVar[str] = ""
    severity: ClassVar[Severity] = Severity.WARNING
    object_types: ClassVar[tuple[str, ...]] = ()
    #: A general rule gives way where another one speaks of the same symbol.
    general: ClassVar[bool] = False

    def suspects(self, project: Project) -> Iterable[Suspect]:
        """Yield what the project's facts make suspicious."""
        raise NotImplementedError

    def check(self, suspect: Suspect, module: Module) -> Finding | None:
        """Confirm a suspect in its module; the default trusts the facts."""
        return self.finding(suspect)

    def fix(self, finding: Finding, module: Module) -> Fix | None:
        """Return a change of the module that mends the finding, None where there is no sure one.

        Asked only under --fix and --diff. `module.fix` makes one out of a changed LibCST tree.
        """
        return None

    def finding(self, suspect: Suspect) -> Finding:
        """Turn a confirmed suspect into a finding of this rule."""
        return Finding(
            rule=self.code,
            name=self.name,
            location=suspect.location,
            symbol=suspect.symbol,
            message=suspect.message,
            severity=self.severity,
            confidence=suspect.confidence,
            evidence=suspect.evidence,
            related=suspect.related,
            notes=suspect.notes,
            help=suspect.help,
            object_types=self.object_types,
            probe=suspect.probe,
            scope=suspect.scope,
        )


class SyntacticRule(Rule):
    """Base of rules that need the syntax of one file and nothing else.

    `visit` sees only files whose text holds `text_filter`, so the rest costs no parse. `confidence` is that of every
    finding.
    """

    text_filter: ClassVar[str] = ""
    confidence: ClassVar[Confidence] = Confidence.MEDIUM

    def visit(self, module: Module) -> Iterable[Suspect]:
        """Yield what is suspect in a module, most simply by `libcst.matchers.findall(module.tree, ...)`."""
        raise NotImplementedError

    def suspects(self, project: Project) -> Iterable[Suspect]:
        """Yield nothing: the linked project is not asked."""
        return ()

    def suspect(
        self,
        module: Module,
        node: cst.CSTNode,
        message: str,
        help: tuple[str, ...] = (),  # noqa: A002
    ) -> Suspect:
        """Suspect a node of the module's tree. The scan adds the symbol: the function or class that it stands in."""
        evidence = Evidence("syntax", self.name, message, _SCORES[self.confidence])
        text = " ".join(module.tree.code_for_node(node).split())
        return Suspect(module.location(node), "", message, (evidence,), help=help, scope=text)


_SCORES = {Confidence.HIGH: HIGH_SCORE, Confidence.MEDIUM: MEDIUM_SCORE, Confidence.LOW: 1}
