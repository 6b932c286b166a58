"""LA304: loggers whose names are made of ids."""

from __future__ import annotations

import re
from collections.abc import Iterator

from leakaudit.facts.answers import Answer, words
from leakaudit.facts.growth import population
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Function
from leakaudit.facts.project import Project
from leakaudit.facts.tables import FRESH_WORDS
from leakaudit.findings import Evidence, Location, Probe, ProbeKind
from leakaudit.scan.rule import Rule, Suspect

_OFTEN = {
    "per-event": 2,
    "likely-event": 1,
    "many": 2,
    "likely-many": 1,
    "addition": -1,
    "registrar": -1,
    "likely-few": -2,
    "few": -3,
    "start-up": -4,
    "import": -8,
    "one": -8,
}
_UNIQUE_CALL = re.compile(
    r"^call:(\w+\.)*(uuid\d?|token_hex|token_urlsafe|time|time_ns|get_ident|fileno|getpeername|get_extra_info|next)$"
)
_NAMED = ("param:", "attr:", "local:", "bound:", "loop:")


class LoggerPerCall(Rule):
    """Loggers are asked for under names that are new for every connection, job or instance.

    ## What it does

    Flags `logging.getLogger` and `getChild` with a name that is made of an id, a counter, an address, a descriptor or the
    like, in functions that run per event and in constructors.

    ## Why it leaks

    The logging module keeps every logger under its name until the process ends; there is no way to give one back.

    ## Example

        import logging

        class Connection:
            def __init__(self, session_id):
                self.logger = logging.getLogger(f"server.connection.{session_id}")

        def handle_request(request):
            return Connection(request.session_id)

    ## Use instead

        import logging

        logger = logging.getLogger("server.connection")

        class Connection:
            def __init__(self, session_id):
                self.logger = logging.LoggerAdapter(logger, {"session": session_id})

        def handle_request(request):
            return Connection(request.session_id)

    ## What we do not flag

    Names of modules and classes, constants, names from the configuration, and code that runs at import or start-up.

    ## References

    - https://docs.python.org/3/library/logging.html#logging.getLogger
    - https://docs.python.org/3/library/logging.html#logging.LoggerAdapter
    """

    code = "LA304"
    name = "logger-per-call"
    object_types = ("logging.Logger",)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the loggers whose names are new each time."""
        for path, call in project.calls("getLogger", "getChild"):
            if call.func < 0 or not call.args or not _is_logging(project, path, call):
                continue
            fresh = _fresh(call.args[0].split("|"))
            if fresh:
                function = project.function(path, call.func)
                assert function is not None
                yield self._suspect(project, path, call, function, fresh)

    def _suspect(self, project: Project, path: str, call: Call, function: Function, fresh: str) -> Suspect:
        module = project.module_name(path)
        target = (
            call.usage.partition(":")[2].rpartition(".")[2]
            if call.usage.startswith(("name:", "store:"))
            else "getLogger"
        )
        return Suspect(
            location=Location(path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{function.qualname}.{target}",
            message=f"the logging module keeps one logger for every {fresh}",
            evidence=tuple(self._evidence(project, path, call, function, fresh)),
            notes=("loggers are kept under their names until the process ends",),
            help=(
                "use one logger, and put what differs into the record: `logging.LoggerAdapter(logger, {...})` or `extra=`",
            ),
            probe=Probe(ProbeKind.LOGGERS, module, path, function.qualname, "", self.object_types),
        )

    def _evidence(
        self, project: Project, path: str, call: Call, function: Function, fresh: str
    ) -> Iterator[Evidence]:
        yield Evidence("lifetime", "process", "loggers live until the process ends", 1)
        yield Evidence("key", "fresh", f"the name holds {fresh}, new each time", 3)
        often = _often(project, path, call, function)
        where = Location(often.path, often.line) if often.path and often.line else None
        yield Evidence("often", often.value, often.reason, _OFTEN.get(often.value, 0), where)


def _is_logging(project: Project, path: str, call: Call) -> bool:
    if call.callee.endswith("getLogger"):
        return call.callee in ("x:logging.getLogger", "?:getLogger") or "logging" in call.callee
    owner = call.callee.rpartition(".")[0]
    if "log" in owner.lower() or any("getLogger" in tag for tag in call.receiver):
        return True
    made = {c.usage.partition(":")[2] for p, c in project.calls("getLogger") if p == path}
    return owner in made


def _fresh(tags: list[str]) -> str:
    """What in the name is new each time, as text, or ""."""
    if "id" in tags:
        return "`id()`"
    if tags[0] in ("self", "call:str", "call:repr") and "self" in tags[:2]:
        return "`self`"
    for tag in tags:
        text = (
            tag.partition(":")[2].partition(":")[0]
            if not tag.startswith("bound:")
            else tag.rpartition(":")[2]
        )
        if _UNIQUE_CALL.match(tag):
            return f"`{text}()`"
        if any(other.startswith(f"attr:{text}.") for other in tags):
            continue  # `request` of `request.method`
        parts = words(text.rpartition(".")[2])
        if tag.startswith(_NAMED) and parts and parts[-1] in FRESH_WORDS:
            return f"`{text}`"
    return ""


def _often(project: Project, path: str, call: Call, function: Function) -> Answer:
    context = project.contexts.of_function(path, call.func)
    if function.cls and function.name in ("__init__", "__post_init__"):
        return population.of_class(project, Place(path, function.cls))
    return context
