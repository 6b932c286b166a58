"""Shared containers that a function makes longer in place, where it meant to make a longer copy."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.linking.linked import Seen, Subject
from leakaudit.facts.model import Flag
from leakaudit.facts.project import Project


def extended_in_place(project: Project) -> Iterator[tuple[Subject, Seen]]:
    """Yield the shared containers that `+=` on a local makes longer, which may as well stand for a new list."""
    for subject in project.subjects.values():
        if subject.scope in "imc":
            for seen in subject.seen:
                if seen.event.flags & Flag.EITHER and seen.sure:
                    yield subject, seen
