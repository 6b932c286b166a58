"""What the rules about growing containers share: ask the judge, and tell the story of where and why it grows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from leakaudit.facts.growth import judge
from leakaudit.facts.growth.cleanup import CLEAR_ONLY
from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.growth.lifetime import stays
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.model import Use
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence
from leakaudit.scan.rule import Rule, Suspect


class ContainerRule(Rule):
    """Base of the rules whose suspects are growing containers. A subclass says which it takes, and how it names them."""

    kinds: ClassVar[tuple[str, ...]] = ()
    scopes: ClassVar[str] = "imc"

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Tell whether this growing container is this rule's business."""
        return True

    def message(self, growth: Growth) -> str:
        """Return what is kept alive, and by what."""
        raise NotImplementedError

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Return what to do about it, most concrete first."""
        raise NotImplementedError

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the growing containers that this rule takes."""
        for subject in project.subjects.values():
            if not self._is_owned(project, subject) or (
                self.kinds and subject.container.kind not in self.kinds
            ):
                continue
            growth = judge.growing(project, subject)
            if growth is not None and self.takes(project, subject, growth):
                yield self._suspect(project, subject, growth)

    def _is_owned(self, project: Project, subject: Subject) -> bool:
        """Tell whether its owner is of a kind that the rule looks at, or is a loop without end that alone sees it."""
        if subject.scope != "l":
            return subject.scope in self.scopes
        function = project.function(subject.path, subject.container.func)
        shared = subject.uses & (Use.PASS | Use.RETURN)
        return function is not None and stays(function) and not shared and "i" in self.scopes

    def _suspect(self, project: Project, subject: Subject, growth: Growth) -> Suspect:
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=self.message(growth),
            evidence=growth.evidence,
            related=judge.related(growth),
            notes=(growth.lifetime.reason, growth.cleanup.reason),
            help=self.remedies(growth),
            probe=judge.probe(project, subject, self.object_types),
            cap=_cap(growth),
        )


def _cap(growth: Growth) -> Confidence:
    """Names alone do not make sure how long an owner lives, nor does a container that somebody may empty grow for ever."""
    lasting = growth.lifetime.value in ("process", "long") or growth.key.value in ("fresh", "identity")
    beside = any(item.fact == "sibling" for item in growth.evidence)
    sure = growth.cleanup.grade != CLEAR_ONLY and (lasting or beside)
    return Confidence.HIGH if sure else Confidence.MEDIUM


def span(growth: Growth) -> str:
    """Say how long the entries stay."""
    return (
        "for the life of the process"
        if growth.lifetime.value in ("process", "long")
        else "for as long as its owner lives"
    )
