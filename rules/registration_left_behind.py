"""LA210: an object takes some of its registrations back, and leaves others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.holders.subscription import last
from leakaudit.facts.holders.unpaired import Unpaired, unpaired
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_LIFETIME = {"process": -3, "long": -1, "likely-long": -1}


class RegistrationLeftBehind(Rule):
    """An object registers several of its methods, and takes only some of them out again.

    ## What it does

    Flags a method that is registered (`add_*`, `connect`, `subscribe`, `on`, ...) and never taken out, in a class that takes
    out another method that it registers in the same way; and `loop.add_reader` and `add_writer` in a class whose `close`
    or `stop` removes none.

    ## Why it leaks

    A registered method holds its instance. The one that is left keeps the instance as long as the registry lives, though
    the class was written to be let go of; and it is still called, for an object that has ended.

    ## Example

        class Suggest:
            def connect(self, buffer):
                self.buffer = buffer
                buffer.on_insert.add_handler(self.reset)
                buffer.on_move.add_handler(self.dismiss)

            def disconnect(self):
                self.buffer.on_insert.remove_handler(self.reset)

            def reset(self, event):
                self.skipped = 0

            def dismiss(self, event):
                self.text = ""

    ## Use instead

        class Suggest:
            def connect(self, buffer):
                self.buffer = buffer
                buffer.on_insert.add_handler(self.reset)
                buffer.on_move.add_handler(self.dismiss)

            def disconnect(self):
                self.buffer.on_insert.remove_handler(self.reset)
                self.buffer.on_move.remove_handler(self.dismiss)

            def reset(self, event):
                self.skipped = 0

            def dismiss(self, event):
                self.text = ""

    ## What we do not flag

    Methods whose handle is kept; registries that the class clears as a whole; what an instance registers with itself or with what it made;
    classes that take nothing out (LA202).

    ## References

    - https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.remove_reader
    """

    code = "LA210"
    name = "registration-left-behind"
    object_types = ("method",)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the registrations that are left."""
        for found in unpaired(project):
            yield self._suspect(project, found)

    def _suspect(self, project: Project, found: Unpaired) -> Suspect:
        call, function = found.call, found.function
        module, kind = project.module_name(found.path), found.cls.name.rpartition(".")[2]
        verb = last(call.callee)
        return Suspect(
            location=Location(found.path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{found.cls.name}.{found.method}",
            message=f"`{verb}` keeps `self.{found.method}`, and with it its `{kind}`: {found.why}",
            evidence=tuple(self._evidence(project, found)),
            related=(Related(Location(found.function_path, function.line, function.column), found.why),),
            help=(f"take `self.{found.method}` out in `{function.name}` as well",),
            probe=Probe(
                ProbeKind.TYPE_COUNT, module, found.path, found.cls.name, "", (f"{module}.{found.cls.name}",)
            ),
            scope=verb,
            cap=Confidence.MEDIUM,
        )

    def _evidence(self, project: Project, found: Unpaired) -> Iterator[Evidence]:
        yield Evidence("undone", "sibling", found.why, 4)
        life = project.lifetimes.of_class(found.cls)
        yield Evidence("lifetime", life.value, life.reason, _LIFETIME.get(life.value, 0))
