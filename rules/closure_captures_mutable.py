"""LA201: a registered closure keeps the mutable container that it captured."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.growth import judge
from leakaudit.facts.holders.registrations import Registration, closures
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

_UNDONE = {"no": 3, "handle": -3, "yes": -20}


class ClosureCapturesMutable(Rule):
    """A nested function or lambda that captured a mutable container is registered and stays registered.

    ## What it does

    Flags a nested function or lambda that captures a dict, list or set of the function around it, and is handed to a
    registry (`add_*`, `set_*_handler`, `on`, `subscribe`, ...) in code that runs more than once, with nothing that takes
    it out again.

    ## Why it leaks

    A closure keeps the variables that it captured as long as it lives. Each registration keeps one more container with
    all that was put into it.

    ## Example

        class Server:
            def __init__(self):
                self.handlers = []

            def set_handler(self, handler):
                self.handlers.append(handler)

            def execute_round(self, nodes):
                updates = {}

                def handle_update(node, update):
                    updates[node] = update

                self.set_handler(handle_update)

            def serve_forever(self):
                while True:
                    self.execute_round([])

    ## Use instead

        class Server:
            def __init__(self):
                self.handlers = []

            def set_handler(self, handler):
                self.handlers.append(handler)

            def remove_handler(self, handler):
                self.handlers.remove(handler)

            def execute_round(self, nodes):
                updates = {}

                def handle_update(node, update):
                    updates[node] = update

                self.set_handler(handle_update)
                try:
                    self.wait(nodes)
                finally:
                    self.remove_handler(handle_update)

            def wait(self, nodes):
                return nodes

            def serve_forever(self):
                while True:
                    self.execute_round([])

    ## What we do not flag

    Closures that are called and dropped (`sorted(key=...)`, `map`, tasks, threads, done-callbacks); those that a matching
    `remove_*` takes out; those made once at import or start-up; captured numbers and strings.

    ## References

    - https://docs.python.org/3/reference/datamodel.html#function.__closure__
    """

    code = "LA201"
    name = "closure-captures-mutable"
    object_types = ("function", "cell", "dict", "list", "set")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the registered closures whose captured names are containers made by the function around them."""
        seen: set[tuple[str, int, str]] = set()
        for registration in closures(project):
            for name in registration.function.captures:
                key = (registration.path, registration.index, name)
                place = self._captured(project, registration, name)
                if place is not None and key not in seen:
                    seen.add(key)
                    yield self._suspect(project, registration, place, name)

    def _captured(self, project: Project, registration: Registration, name: str) -> Place | None:
        function = project.function(registration.path, registration.function.parent)
        while function is not None:
            place = Place(registration.path, f"l:{function.qualname}.{name}")
            if place in project.subjects:
                return place
            function = project.function(registration.path, function.parent)
        return None

    def _suspect(self, project: Project, registration: Registration, place: Place, name: str) -> Suspect:
        subject = project.subjects[place]
        closure = registration.function
        registry = registration.registry
        where = (
            f"`{registry.name}`" if registry is not None else f"`{registration.callee.rpartition('.')[2]}`"
        )
        callee = registration.callee.rpartition(".")[2].rpartition(":")[2]
        registered = Location(registration.path, registration.line, registration.column)
        return Suspect(
            location=judge.location(subject),
            symbol=project.symbol(subject),
            message=f"`{name}` is captured by `{closure.name}`, which stays registered in {where}",
            evidence=tuple(self._evidence(project, registration)),
            related=(
                Related(
                    Location(registration.path, closure.line, closure.column),
                    f"`{closure.name}` captures `{name}`",
                ),
                Related(registered, f"registered here with `{callee}`; {registration.undone.reason}"),
            ),
            notes=(registration.undone.reason,),
            help=(
                "take the callable out in `finally`, or pass what it needs when it is called instead of capturing it",
            ),
            probe=Probe(
                ProbeKind.CLOSURE_CELL,
                project.module_name(registration.path),
                registration.path,
                closure.qualname,
                name,
                self.object_types,
            ),
            cap=Confidence.HIGH if registry is not None else Confidence.MEDIUM,
        )

    def _evidence(self, project: Project, registration: Registration) -> Iterator[Evidence]:
        undone = registration.undone
        yield Evidence(
            "undone", undone.value, undone.reason, _UNDONE[undone.value], Location(undone.path, undone.line)
        )
        context = project.contexts.of_function(registration.path, registration.func)
        yield Evidence("context", context.value, context.reason, judge.CONTEXT[context.value])
        if registration.registry is not None:
            lifetime = project.lifetime(registration.registry)
            yield Evidence(
                "lifetime", lifetime.value, f"the registry: {lifetime.reason}", judge.LIFETIME[lifetime.value]
            )
        else:
            yield Evidence("lifetime", "unknown", "the registry is not part of the project", -2)
