"""Callback slots that an object still fills when it has ended, though it empties others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.holders.endings import Endings
from leakaudit.facts.holders.links import Link
from leakaudit.facts.linking.linked import Place

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_CALLBACK = re.compile(
    r"(^|_)(callback|cb|handler|hook|listener|continuation|errback)s?$|[a-z](Callback|Handler)$|^_?on_[a-z]"
)


def slots(project: Project, endings: Endings) -> Iterator[Link]:
    """Yield callbacks that a setter stores and that a use empties, but no ending, which empties another one."""
    for path, facts in project.files.items():
        seen: set[str] = set()
        for owner, origin, line, func in facts.stored:
            cls, _, attribute = owner[2:].rpartition(".")
            if not owner.startswith("i:") or owner in seen or func < 0 or not _CALLBACK.search(attribute):
                continue
            function = facts.functions[func]
            if function.cls != cls or function.name == "__init__" or "param:" not in origin:
                continue
            place = Place(path, cls)
            left = endings.left(place, attribute)
            if (
                left is None
                or not _CALLBACK.search(left.attribute)
                or not endings.is_cleared(place, attribute)
            ):
                continue
            seen.add(owner)
            reason = f"`{attribute}` stays when the object ends, and may hold what holds the object"
            cues = (
                (f"`{left.method}` lets go of `{left.attribute}`, but not of this", 2),
                ("elsewhere it is set to None when it has run", 1),
            )
            yield Link(path, cls, attribute, "slot", line, 1, func, reason, cues)
