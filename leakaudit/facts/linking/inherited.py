"""One attribute that several classes of a family bind is one container; one key that equals another is no new key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.model import Event

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_DATA = ("dataclass", "define", "frozen", "attrs", "attr.s")
_MAKERS = ("__init__", "__new__", "__post_init__")
_BY_VALUE = frozenset({"__eq__", "__hash__"})


def joined(project: Project, found: dict[Place, Subject]) -> dict[Place, Subject]:
    """Return the containers, where what a method of a subclass binds again belongs to what its nearest base has made.

    What the constructor of a subclass binds is a container of its own.
    """
    rebound = set()
    for place, subject in found.items():
        if subject.scope != "i" or not subject.cls:
            continue
        function = project.function(place.path, subject.container.func)
        base = _first(project, subject, found)
        if base is not None and function is not None and function.name not in _MAKERS:
            found[base].seen.extend(subject.seen)
            found[base].uses |= subject.uses
            rebound.add(place)
    return {place: subject for place, subject in found.items() if place not in rebound}


def _first(project: Project, subject: Subject, found: dict[Place, Subject]) -> Place | None:
    for base in project.mro(Place(subject.path, subject.cls))[1:]:
        place = Place(base.path, f"i:{base.name}.{subject.name}")
        if place in found:
            return place
    return None


def by_value(project: Project, seen: Seen) -> Event:
    """Return the event without the origins that say \"a new object\" of keys that are compared by their value."""
    event = seen.event
    if not any(tag.startswith("new:") for tag in (*event.key_origins, *event.value_origins[:1])):
        return event
    kept = tuple(tag for tag in event.key_origins if not _is_value(project, seen.path, tag))
    values = tuple(tag for tag in event.value_origins if event.key or not _is_value(project, seen.path, tag))
    return msgspec.structs.replace(event, key_origins=kept, value_origins=values)


def _is_value(project: Project, path: str, tag: str) -> bool:
    if not tag.startswith("new:"):
        return False
    place = project.class_named(tag[4:], path)
    cls = project.class_at(place) if place is not None else None
    if place is None or cls is None:
        return False
    data = any(word in decorator for decorator in cls.decorators for word in _DATA)
    return data or bool(_BY_VALUE & set(cls.methods)) or "NamedTuple" in project.base_names(place)
