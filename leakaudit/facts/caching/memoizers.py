"""Home-made caching decorators: a dict in the decorator that keeps one entry per arguments of the wrapped function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.answers import Answer
from leakaudit.facts.caching.caches import OPENNESS, domain
from leakaudit.facts.linking.linked import Seen, Subject
from leakaudit.facts.model import Function, Op
from leakaudit.facts.project import Project


@dataclass(frozen=True, slots=True)
class Memoizer:
    """A decorator with its dict, where that grows, and the (file, index) of the functions under it."""

    subject: Subject
    function: Function
    growth: Seen
    wrapped: tuple[tuple[str, int], ...]


def memoizers(project: Project) -> Iterator[Memoizer]:
    """Yield the decorators that keep results by the arguments that their wrapper takes."""
    found: dict[tuple[str, int], tuple[Subject, Seen]] = {}
    for subject in project.subjects.values():
        if (
            subject.scope == "l"
            and subject.container.kind in ("dict", "defaultdict")
            and not subject.container.bound
        ):
            growth = _growth(project, subject)
            if growth is not None and not project.cleanup(subject).effective:
                found[_decorator(project, subject)] = (subject, growth)
    if not found:
        return
    wrapped: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for path, facts in project.files.items():
        for index, function in enumerate(facts.functions):
            for text in function.decorators:
                target = project.callee(text.removesuffix(".()"), path, function.parent)
                if target in found:
                    wrapped.setdefault(target, []).append((path, index))
    for place, (subject, growth) in found.items():
        decorator = project.function(*place)
        assert decorator is not None
        yield Memoizer(subject, decorator, growth, tuple(wrapped.get(place, ())))


def widest(project: Project, memoizer: Memoizer) -> Answer:
    """Return how many keys the most open of the functions under it gives; `finite` where it is not used."""
    worst = Answer("finite", "no function is under it")
    for path, index in memoizer.wrapped:
        function = project.function(path, index)
        assert function is not None
        answer = domain(project, path, function)
        if function.cls and function.kind == "":
            answer = Answer(
                "fresh", f"`{function.qualname}` is under it, so that instances are part of the keys"
            )
        if OPENNESS.index(answer.value) > OPENNESS.index(worst.value):
            worst = answer
    return worst


def by_text(memoizer: Memoizer) -> bool:
    """Tell whether its keys are the text of whatever it is given, which holds the addresses of most objects."""
    tags = memoizer.growth.event.key_origins
    return any(tag.startswith(("call:str", "call:repr")) for tag in tags)


def _growth(project: Project, subject: Subject) -> Seen | None:
    """Where a function nested in the container's own puts something in under its own arguments."""
    for seen in subject.events(Op.GROW):
        if seen.event.func == subject.container.func or seen.event.depth or not seen.event.key:
            continue
        function = project.function(seen.path, seen.event.func)
        assert function is not None
        stars = {p.name.lstrip("*") for p in function.params if p.name.startswith("*")}
        if any(tag.startswith("param:") and tag.split(":")[1] in stars for tag in seen.event.key_origins):
            return seen
    return None


def _decorator(project: Project, subject: Subject) -> tuple[str, int]:
    """The outermost function around the container: the name that is written above the wrapped functions."""
    index = subject.container.func
    while (function := project.function(subject.path, index)) is not None and function.parent >= 0:
        index = function.parent
    return subject.path, index
