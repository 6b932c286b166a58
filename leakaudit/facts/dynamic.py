"""Classes that functions make as they run: by a class statement, or by calling something that returns a new class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.caching.caches import library_name
from leakaudit.facts.model import Call, Class, Function
from leakaudit.facts.project import Project
from leakaudit.findings import Location

#: Calls that make a class -> (names of the libraries that mean it, weight): the heavier, the more registries keep it.
_MAKERS: dict[str, tuple[tuple[str, ...], int]] = {
    "sessionmaker": (("sqlalchemy",), 2),
    "declarative_base": (("sqlalchemy",), 2),
    "create_model": (("pydantic",), 1),
    "make_dataclass": (("dataclasses", "attr"), 1),
    "namedtuple": (("collections",), 1),
    "NamedTuple": (("typing",), 1),
    "TypedDict": (("typing",), 1),
    "new_class": (("types",), 1),
    "type": (("",), 0),
}


@dataclass(frozen=True, slots=True)
class Made:
    """A class made in a function: by a statement (`cls`) or a call."""

    path: str
    function: Function
    location: Location
    name: str
    how: str
    weight: int
    cls: Class | None
    call: Call | None


def decorator_names(project: Project) -> set[str]:
    """The bare names of everything that is written above a class or function: those run at import."""
    texts = (
        text
        for facts in project.files.values()
        for decorators in (*(c.decorators for c in facts.classes), *(f.decorators for f in facts.functions))
        for text in decorators
    )
    return {text.removesuffix(".()").replace(":", ".").rpartition(".")[2] for text in texts}


def made_in_functions(project: Project) -> Iterator[Made]:
    """Yield the classes whose body takes something from the call, and those that a call makes."""
    yield from _by_statement(project)
    yield from _by_call(project)


def _by_statement(project: Project) -> Iterator[Made]:
    for path, facts in project.files.items():
        for cls in facts.classes:
            if cls.func >= 0 and cls.captures:
                name = cls.qualname.rpartition(".")[2]
                place = Location(path, cls.line, cls.column)
                yield Made(path, facts.functions[cls.func], place, name, "a class statement", 0, cls, None)


def _by_call(project: Project) -> Iterator[Made]:
    for maker, (libraries, weight) in _MAKERS.items():
        for path, call in project.calls(maker):
            if (
                call.func < 0
                or call.usage.startswith("decorator:")
                or (maker == "type" and len(call.args) < 3)
            ):
                continue
            known = (
                call.callee == "b:type"
                if maker == "type"
                else library_name(project, call.callee, path).startswith(libraries)
            )
            if not known:
                continue
            function = project.function(path, call.func)
            assert function is not None
            name = call.usage.rpartition(".")[2] if call.usage.startswith("name:") else maker
            place = Location(path, call.line, call.column, call.end_line, call.end_column)
            yield Made(path, function, place, name, f"`{maker}`", weight, None, call)
