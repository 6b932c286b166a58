"""LA303: a handler is added to a logger again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leakaudit.facts.answers import words
from leakaudit.facts.project import Project
from leakaudit.facts.telemetry.loggers import Added, added
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

_OFTEN = {
    "per-event": 4,
    "likely-event": 2,
    "called": -1,
    "addition": -2,
    "registrar": -2,
    "start-up": -5,
    "import": -8,
    "many instances": 4,
    "likely-many instances": 3,
    "unknown instances": 1,
    "likely-few instances": -1,
    "few instances": -3,
    "one instances": -8,
}
_SET_UP = frozenset(
    "setup set up start init initialize configure config install enable daemonize bootstrap main".split()
)
_GETTER = re.compile(r"_?(get|create|make|new|build|obtain)_\w*log")
_REMOVAL = {"none": 0, "weak": 0, "elsewhere": -3, "paired": -20}


class LoggingHandlerPerCall(Rule):
    """A handler or filter is added to a process-wide logger per call or per instance, and never taken off.

    ## What it does

    Flags `addHandler` and `addFilter` on loggers of the `logging` module, in functions that run per event and in
    constructors, without a guard and without a matching `removeHandler`.

    ## Why it leaks

    Loggers live until the process ends. Each handler stays with its stream, its formatter and whatever it refers to (the
    instance, the widget, the connection), and every record is written once more.

    ## Example

        import logging

        class ViewHandler(logging.Handler):
            def __init__(self, view):
                super().__init__()
                self.view = view

            def emit(self, record):
                self.view.push(record)

        def handle_request(request):
            logging.getLogger().addHandler(ViewHandler(request.view))

    ## Use instead

        import logging

        class ViewHandler(logging.Handler):
            def __init__(self, view):
                super().__init__()
                self.view = view

            def emit(self, record):
                self.view.push(record)

        def handle_request(request):
            logger = logging.getLogger()
            handler = ViewHandler(request.view)
            logger.addHandler(handler)
            try:
                request.run()
            finally:
                logger.removeHandler(handler)

    ## What we do not flag

    Set-up code and module level; additions under a guard (`if not logger.handlers`, a flag); one handler object added
    again, which `logging` ignores; handlers of loggers that are made by hand and belong to their owner; handlers that a
    `removeHandler` in the same function or class takes off.

    ## References

    - https://docs.python.org/3/library/logging.html#logging.Logger.addHandler
    - https://docs.python.org/3/library/logging.html#logging.Logger.removeHandler
    """

    code = "LA303"
    name = "logging-handler-per-call"
    object_types = ("logging.Handler", "logging.StreamHandler", "logging.FileHandler")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the repeated additions that nothing takes off."""
        for addition in added(project):
            if addition.removal.value != "paired":
                yield self._suspect(project, addition)

    def _suspect(self, project: Project, addition: Added) -> Suspect:
        call = addition.call
        method = call.callee.replace(":", ".").rpartition(".")[2]
        kind = "filter" if method == "addFilter" else "handler"
        name = addition.name if addition.name != "self" else addition.function.cls.rpartition(".")[2]
        related: tuple[Related, ...] = ()
        if addition.removal.value != "none":
            related = (
                Related(Location(addition.removal.path, addition.removal.line), addition.removal.reason),
            )
        return Suspect(
            location=Location(addition.path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{project.module_name(addition.path)}.{addition.function.qualname}.{name}",
            message=f"each run of `{addition.function.name}` adds one more {kind} to a logger that lives as long as the process",
            evidence=tuple(self._evidence(addition, kind)),
            related=related,
            notes=(addition.often.reason, addition.removal.reason),
            help=(
                f"take the {kind} off when its work ends (`try: ... finally: logger.remove{kind.title()}({kind})`)",
                f"or add it once, at start-up, guarded by `if not logger.{kind}s`",
            ),
            probe=Probe(
                ProbeKind.LOGGING_HANDLERS,
                project.module_name(addition.path),
                addition.path,
                addition.function.qualname,
                "",
                self.object_types,
            ),
            cap=Confidence.MEDIUM if addition.removal.value == "weak" else Confidence.HIGH,
        )

    def _evidence(self, addition: Added, kind: str) -> Iterator[Evidence]:
        often = addition.often
        yield Evidence("lifetime", "process", "the logging module keeps loggers until the process ends", 1)
        place = Location(often.path, often.line) if often.path and often.line else None
        yield Evidence("often", often.value, often.reason, _OFTEN.get(often.value, 0), place)
        if addition.fresh:
            yield Evidence("fresh", "yes", f"the {kind} is made anew", 1)
        if addition.captures:
            yield Evidence("captures", addition.captures, f"the {kind} holds `{addition.captures}`", 4)
        name = addition.function.name
        if _GETTER.match(name):
            yield Evidence(
                "name", "getter", f"`{name}` is named like something that is called again and again", 1
            )
        if not name.startswith("__") and set(words(name)) & _SET_UP:
            yield Evidence("name", "set-up", f"`{name}` is named like set-up code", -6)
        removal = addition.removal
        where = Location(removal.path, removal.line) if removal.path and removal.line else None
        yield Evidence("cleanup", removal.value, removal.reason, _REMOVAL[removal.value], where)
