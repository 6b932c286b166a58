"""LA602: a table of the interpreter gains an entry per call."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.answers import Answer
from leakaudit.facts.growth import judge, keys
from leakaudit.facts.holders.instances import CONSTRUCTORS
from leakaudit.facts.linking.linked import Seen
from leakaudit.facts.model import Event, Op
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Probe, ProbeKind
from leakaudit.scan.rule import Rule, Suspect

#: Tables that live as long as the interpreter: dotted name -> what one entry keeps.
_TABLES = {
    "sys.modules": "a module with all its globals",
    "gc.callbacks": "a callable that every collection runs",
    "linecache.cache": "the text of a file",
    "warnings.filters": "a filter that every warning is matched with",
    "sys.path": "a folder that every import searches",
}
_CLOSES = frozenset("close aclose shutdown stop disconnect terminate dispose __exit__ __aexit__".split())
_GONE = (Op.SHRINK, Op.CLEAR, Op.TRIM, Op.REBIND)


class InterpreterRegistryGrown(Rule):
    """A function adds to `sys.modules` or another table of the interpreter, under a name that is new each time.

    ## What it does

    Flags code in a function that adds to a table of the interpreter an entry that is new for every call, where the file
    never takes one out.

    ## Why it leaks

    These tables live as long as the process. A module that is registered under a generated name is never found again, and
    never freed.

    ## Example

        import importlib.util
        import sys

        def handle_script(path):
            name = f"_script_{id(path)}"
            spec = importlib.util.spec_from_file_location(name, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)

    ## Use instead

        import importlib.util
        import sys

        def handle_script(path):
            name = f"_script_{id(path)}"
            spec = importlib.util.spec_from_file_location(name, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            try:
                spec.loader.exec_module(module)
            finally:
                del sys.modules[name]

    ## What we do not flag

    Entries under a name that is the same each time; folders on `sys.path`, but those that an object adds for its own life; entries that the same file takes out; code that runs at import or at
    start-up.

    ## References

    - https://docs.python.org/3/library/sys.html#sys.modules
    """

    code = "LA602"
    name = "interpreter-registry-grown"
    object_types = ("module", "list", "dict")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the additions to a table of the interpreter that no removal in the file answers."""
        for path, facts in project.files.items():
            events = [
                e for e in facts.events if e.owner.startswith("x:") and e.owner[2:] in _TABLES and not e.depth
            ]
            for event in events:
                removed = any(e.owner == event.owner and e.op in _GONE for e in events)
                own = event.owner != "x:sys.path" or _adds_its_own(project, path, event)
                if event.op == Op.GROW and event.func >= 0 and not removed and own:
                    yield self._suspect(project, Seen(path, event))

    def _suspect(self, project: Project, seen: Seen) -> Suspect:
        event = seen.event
        table = event.owner[2:]
        mapping = table in ("sys.modules", "linecache.cache")
        key = keys.domain(event, sequence=not mapping, mapping=mapping)
        context = project.context(seen)
        module, _, attribute = table.rpartition(".")
        function = project.function(seen.path, event.func)
        return Suspect(
            location=Location(seen.path, event.line, event.column, event.line, event.end_column or None),
            symbol=f"{project.module_name(seen.path)}.{table}",
            message=f"`{table}` keeps {_TABLES[table]} for every call, until the process ends",
            evidence=tuple(_evidence(key, context)),
            notes=(f"nothing in this file takes anything out of `{table}`",),
            help=(
                "take the entry out when the work ends, or use a name that is the same for the same thing",
            ),
            probe=Probe(ProbeKind.MODULE_ATTRIBUTE, module, "", "", attribute, self.object_types),
            scope=function.qualname
            if (function := project.function(seen.path, event.func)) is not None
            else "",
        )


def _adds_its_own(project: Project, path: str, event: Event) -> bool:
    """Whether an object that can be closed adds a folder of its own when it is made: scripts add theirs once."""
    function = project.function(path, event.func)
    if function is None or function.name not in CONSTRUCTORS:
        return False
    methods = {f.name for f in project.files[path].functions if f.cls == function.cls}
    return any(t.startswith("attr:self.") for t in event.value_origins) and bool(methods & _CLOSES)


def _evidence(key: Answer, context: Answer) -> Iterator[Evidence]:
    yield Evidence("lifetime", "process", "the table lives as long as the interpreter", 2)
    yield Evidence("key", key.value, key.reason, judge.KEY[key.value])
    named_only = (
        context.value == "start-up" and key.value == "identity"
    )  # start-up code needs no generated names
    yield Evidence(
        "context", context.value, context.reason, 0 if named_only else judge.CONTEXT[context.value]
    )
    yield Evidence("cleanup", "none", "nothing in this file takes an entry out")
