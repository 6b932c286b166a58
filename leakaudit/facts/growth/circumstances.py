"""What else speaks for or against a container that grows: guards, names, who reads it, what it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.answers import Answer
from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.model import Use
from leakaudit.findings import Evidence

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_ONCE_PER = re.compile(
    r"warn|report|logged|deprecat|verified|initiali[sz]ed|(?<!down)(?<!up)loaded|registered|known|complain|declared|emitted|hinted|notified|announced|printed|shown|nagged",
    re.IGNORECASE,
)
#: Through other objects, whose uses are not kept, it may be read as well as written.
_OWN = ("i:", "c:", "m:", "d:", "x:")
_TESTING = frozenset({"test", "tests", "testing", "conftest", "benchmark", "benchmarks"})
_COMMANDS = frozenset({"cli", "commands", "scripts", "examples", "demos"})


def program(project: Project, subject: Subject) -> Iterator[Evidence]:
    """Tell whether it belongs to a command, whose process ends with it."""
    folders = set(project.module_name(subject.path).split(".")[:-1])
    if folders & _COMMANDS or any(
        base.endswith("Command") for base in project.base_names(Place(subject.path, subject.cls))
    ):
        yield Evidence("program", "command", "belongs to a command, whose process ends with it", -2)
    if _TESTING & set(re.split(r"[._]", project.module_name(subject.path))):
        yield Evidence("program", "testing", "belongs to what helps tests", -2)


def extras(project: Project, subject: Subject, site: Seen, key: Answer, shared: bool) -> Iterator[Evidence]:
    """Weigh how it is guarded, named, read and shared."""
    reads = subject.uses & ~(Use.LEN | Use.TRUTH)
    if not reads and site.event.owner.startswith(_OWN):
        yield Evidence("write-only", "yes", f"nothing in the project reads `{subject.name}`", 1)
    if subject.name.isupper() and key.value not in ("identity", "fresh"):
        yield Evidence("name", "constant", f"`{subject.name}` is named like a constant", -1)
    if subject.container.initial and subject.container.kind != "queue":
        yield Evidence("initial", "filled", f"`{subject.name}` is created with entries: a table", -2)
    if subject.container.kind == "queue" and subject.uses & Use.PASS:
        yield Evidence("queue", "handed over", f"whoever is given `{subject.name}` takes entries out", -4)
    if subject.container.from_param:
        yield Evidence("shared", "passed in", f"`{subject.name}` may be the caller's own", -1)
    if any(f"len({subject.name}" in g or f"len(self.{subject.name}" in g for g in site.event.guards):
        yield Evidence("guard", "size", "grows only while its length is below a limit", -6)
    asked = reads == Use.IN and subject.container.kind == "set"
    if asked and key.value in ("fresh", "likely-fresh") and not _ONCE_PER.search(subject.name):
        yield Evidence(
            "read", "membership", f"`{subject.name}` is only asked whether it has seen something", 2
        )
    if _ONCE_PER.search(subject.name):
        yield Evidence("name", "once per", f"`{subject.name}` is named like a note of what was done once", -2)
    once = next((g for g in site.event.guards if _is_once(g)), None)
    if once is not None:
        yield Evidence("guard", "once", f"grows only once (`{once}`)", -4)
    if once is None and _is_filled_once(project, subject, site):
        yield Evidence("guard", "empty", f"grows only while `{subject.name}` is empty: it is filled once", -6)
    if shared and site.event.owner.startswith("i:") and not site.event.depth:
        yield Evidence(
            "shared", "class attribute", "grown through an instance, but one object for all instances", 1
        )


def _is_filled_once(project: Project, subject: Subject, site: Seen) -> bool:
    """Whether its function leaves at once when there is something in the container already."""
    function = project.function(site.path, site.event.func)
    exits = function.exits if function is not None else ()
    tests = (*exits, *(g.removeprefix("not ") for g in site.event.guards if g.startswith("not ")))
    names = (subject.name, f"len({subject.name})")
    return any(test.removeprefix("self.").removeprefix("cls.") in names for test in tests)


def _is_once(guard: str) -> bool:
    text = guard.removeprefix("not ").removeprefix("not ")
    return any(
        word in text
        for word in (
            "initialized",
            "_initialised",
            "_done",
            "registered",
            "_installed",
            "_configured",
            "_loaded",
            "_setup_done",
            "_started",
            "hasattr(",
        )
    )
