"""LA305: a log file that grows as long as the service runs."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.answers import words
from leakaudit.facts.model import Call
from leakaudit.facts.project import Project
from leakaudit.findings import Confidence, Evidence, Location, Severity
from leakaudit.scan.rule import Rule, Suspect

_SERVERS = frozenset(
    "fastapi flask django starlette aiohttp tornado twisted sanic uvicorn hypercorn gunicorn celery dramatiq rq grpc websockets quart falcon "
    "bottle discord telegram aiogram faust aiokafka pika socketserver".split()
)
_SERVICE_WORDS = frozenset("server service serve daemon worker agent bot gateway app".split())
_ROTATING = (
    "RotatingFileHandler",
    "TimedRotatingFileHandler",
    "WatchedFileHandler",
    "ConcurrentRotatingFileHandler",
)
_LIMITS = ("rotation", "retention")


class LogSinkWithoutRotation(Rule):
    """A service writes its log to a file that nothing rotates.

    ## What it does

    Flags `logging.FileHandler`, `logging.basicConfig(filename=...)` and `loguru.logger.add("file")` without rotation, in
    projects that run as a service. It is a note on disk space, not on memory.

    ## Why it leaks

    The file grows as long as the service runs; a full disk stops the service, and in a container the file often counts
    against the memory limit.

    ## Example

        import logging
        from flask import Flask

        app = Flask(__name__)

        def start_server():
            logging.basicConfig(filename="/var/log/server.log", level=logging.INFO)
            app.run()

    ## Use instead

        import logging
        from logging.handlers import RotatingFileHandler
        from flask import Flask

        app = Flask(__name__)

        def start_server():
            handler = RotatingFileHandler("/var/log/server.log", maxBytes=10_000_000, backupCount=5)
            logging.basicConfig(handlers=[handler], level=logging.INFO)
            app.run()

    ## What we do not flag

    Rotating and watched handlers, loguru's `rotation` and `retention`, projects that show no sign of a service, and
    command-line scripts.

    ## References

    - https://docs.python.org/3/library/logging.handlers.html#logging.handlers.RotatingFileHandler
    """

    code = "LA305"
    name = "log-sink-without-rotation"
    severity = Severity.INFO
    object_types = ("logging.FileHandler",)

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the plain file sinks of services."""
        about = tuple(_about(project))
        for path, call in project.calls("FileHandler", "basicConfig", "add"):
            target = _target(call)
            if target:
                yield self._suspect(
                    project, path, call, (*self._evidence(project, path, call, target), *about)
                )

    def _suspect(self, project: Project, path: str, call: Call, evidence: tuple[Evidence, ...]) -> Suspect:
        function = project.function(path, call.func)
        where = f"{function.qualname}." if function is not None else ""
        name = call.callee.replace(":", ".").rpartition(".")[2]
        return Suspect(
            location=Location(path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{project.module_name(path)}.{where}{name}",
            message="the log file grows as long as the service runs: nothing rotates it",
            evidence=evidence,
            notes=("this is about disk space; in a container the file may count against the memory limit",),
            help=(
                "use `logging.handlers.RotatingFileHandler(..., maxBytes=..., backupCount=...)`, or log to stderr and let the platform keep it",
            ),
            cap=Confidence.MEDIUM,
        )

    def _evidence(self, project: Project, path: str, call: Call, target: str) -> Iterator[Evidence]:
        yield Evidence("sink", "file", "a plain file, which only grows", 1)
        function = project.function(path, call.func)
        text = f"{path.rpartition('/')[2]} {function.qualname if function is not None else ''}"
        about = sorted(set(words(text)) & _SERVICE_WORDS)
        if about:
            yield Evidence("place", about[0], f"it stands in code named `{about[0]}`", 1)
        if "const:" in target:
            yield Evidence("path", "fixed", "the file's name is fixed, the same for every run", 1)
        if function is None or function.name in ("main", "_main"):
            yield Evidence("place", "script", "it stands in a script's main", -2)


def _about(project: Project) -> Iterator[Evidence]:
    """What the project as a whole says: whether it is a service, and whether it rotates files at all."""
    served = _service(project)
    if served:
        yield Evidence("service", served, f"the project uses `{served}`, so it runs as a service", 1)
    for path, call in project.calls(*_ROTATING):
        yield Evidence(
            "rotation", "elsewhere", "the project rotates other files", -1, Location(path, call.line)
        )
        return


def _target(call: Call) -> str:
    """The file that a plain sink writes to, as origins; "" for anything else."""
    given = dict(call.keywords)
    if call.callee == "x:logging.basicConfig":
        return given.get("filename", "")
    if call.callee == "x:logging.FileHandler":
        return given.get("filename", call.args[0] if call.args else "")
    if call.callee == "x:loguru.logger.add" and call.args and not any(limit in given for limit in _LIMITS):
        first = call.args[0]
        return (
            first
            if first.startswith(("const:'", "fstr", "attr:os.path", "local:", "global:"))
            and "sys" not in first
            else ""
        )
    return ""


def _service(project: Project) -> str:
    """A library of servers that the project imports, or ""."""
    for facts in project.files.values():
        for name in facts.imports.values():
            if name.partition(".")[0] in _SERVERS:
                return name.partition(".")[0]
    return ""
