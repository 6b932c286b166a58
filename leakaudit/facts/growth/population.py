"""How many instances of a class come and go while a program runs: one, few, many, or is that unknown?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Flag
from leakaudit.source.classify import is_test_path

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_DEPTH = 3
_SITES = 24
_ENUMS = ("Enum", "Flag", "EnumMeta")
_FEW_WORDS = frozenset(
    "server app application main manager registry master daemon supervisor singleton settings config configuration plugin extension runner "
    "orchestrator scheduler kernel bootstrap launcher installer cli backend".split()
)
#: Attributes in which a `__new__` or an accessor keeps the one instance.
_KEYED_NAMES = ("_instances", "__instances", "instances")
_SINGLETON_NAMES = ("_instance", "__instance", "instance", "_singleton", "_inst", "INSTANCE")


def of_class(project: Project, place: Place, depth: int = _DEPTH) -> Answer:
    """Return `one`, `few`, `likely-few`, `unknown`, `likely-many` or `many`, with the reason."""
    known: dict[Place, Answer] = project.__dict__.setdefault("_instances", {})
    if place not in known:
        known[place] = Answer("unknown", "part of a cycle of owners")
        known[place] = _decide(project, place, depth)
    return known[place]


def _decide(project: Project, place: Place, depth: int) -> Answer:
    name = place.name.rpartition(".")[2]
    cls = project.class_at(place)
    if cls is None:
        return Answer("unknown", f"nothing tells how many `{name}` there are")
    only = _only_one(project, place)
    if only:
        return Answer("one", only, place.path, cls.line)
    if "BaseCommand" in project.base_names(place):
        return Answer("few", f"`{name}` is a command: it is made once for each run", place.path, cls.line)
    if cls.func >= 0:
        return Answer(
            "few", f"`{name}` is made inside a function, and its caches go with it", place.path, cls.line
        )
    sites = _sites(project, place)
    answers = [_site(project, name, path, call, depth) for path, call in sites]
    for value in ("many", "likely-many"):
        for answer in answers:
            if answer.value == value:
                return answer
    if answers and all(a.value in ("few", "one") for a in answers):
        return Answer(
            "one" if len(answers) == 1 and answers[0].value == "one" else "few",
            answers[0].reason,
            answers[0].path,
            answers[0].line,
        )
    lifetime = project.lifetimes.of_class(place)
    if lifetime.value in ("process", "long"):
        return Answer(
            "few",
            f"a process has few `{name}`: {lifetime.reason}",
            lifetime.path or place.path,
            lifetime.line or cls.line,
        )
    if set(words(name)) & _FEW_WORDS:
        return Answer(
            "likely-few", f"`{name}` is named like something that a process has few of", place.path, cls.line
        )
    if lifetime.value == "short":
        return Answer("likely-many", lifetime.reason, lifetime.path or place.path, lifetime.line or cls.line)
    return Answer("unknown", f"nothing tells how many `{name}` there are", place.path, cls.line)


def _only_one(project: Project, place: Place) -> str:
    """Why there is a fixed number of instances, or ""."""
    name = place.name.rpartition(".")[2]
    bases = project.base_names(place)
    if any(base.endswith(_ENUMS) for base in bases):
        return f"`{name}` is an enum: its members are fixed"
    if "type" in bases or any(base.endswith("Meta") for base in bases):
        return f"`{name}` is a metaclass: its instances are classes"
    for current in project.mro(place):
        cls = project.class_at(current)
        if cls is None:
            continue
        if any("singleton" in text.lower() for text in (*cls.keywords, *cls.decorators, *cls.bases)):
            return f"`{name}` is a singleton"
        keyed = (Place(current.path, f"c:{current.name}.{attribute}") for attribute in _KEYED_NAMES)
        if "__new__" in cls.methods and any(place in project.subjects for place in keyed):
            return f"`{name}` keeps one instance for each key"
        owners = {f"c:{current.name}.{attribute}" for attribute in _SINGLETON_NAMES}
        if any(
            owner in owners
            for owner, tags, _, _ in project.files[current.path].stored
            if not tags.startswith("const:")
        ):
            return f"`{name}` keeps its one instance"
    return ""


def _sites(project: Project, place: Place) -> list[tuple[str, Call]]:
    found = list(project.constructions.get(place, ()))
    for subclass in project.subclasses.get(place, ())[:8]:
        found.extend(project.constructions.get(subclass, ())[:4])
    return [site for site in found if not is_test_path(site[0])][:_SITES]


def _site(project: Project, name: str, path: str, call: Call, depth: int) -> Answer:
    usage = call.usage
    while usage.startswith("await:"):
        usage = usage[6:]
    if call.func < 0:
        return Answer("one", f"`{name}` is made at module level", path, call.line)
    function = project.function(path, call.func)
    assert function is not None
    context = project.contexts.of_function(path, call.func)
    where = f"`{name}` is made in `{function.qualname}`"
    if usage.startswith(("store:m:", "name:m:")) and "[]" not in usage:
        return Answer("few", f"{where} and kept in a global, in place of the one before", path, call.line)
    if call.flags & Flag.FOREVER:
        return Answer("many", f"{where}, inside a loop without end", path, call.line)
    if context.value == "construct" and function.cls and depth > 0:
        owner = of_class(project, Place(path, function.cls), depth - 1)
        return Answer(owner.value, f"{where}; {owner.reason}", path, call.line)
    if usage in ("receiver", "drop"):
        return Answer("many", f"{where} and dropped in the same expression", path, call.line)
    if context.value in ("import", "start-up", "registrar"):
        return Answer("few", f"{where}: {context.reason}", path, call.line)
    if context.value == "per-event" and "named like" not in context.reason:
        return Answer("many", f"{where}: {context.reason}", path, call.line)
    if usage == "with" or context.value in ("per-event", "likely-event"):
        return Answer("likely-many", f"{where}: {context.reason}", path, call.line)
    return Answer("unknown", f"{where}: {context.reason}", path, call.line)
