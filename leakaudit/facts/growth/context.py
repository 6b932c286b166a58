"""When does an event happen: at import, at start-up, per event, or is that unknown?"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.facts.answers import Answer
from leakaudit.facts.linking.linked import Caller, Place
from leakaudit.facts.model import Event, Flag, Function
from leakaudit.source.classify import is_test_path

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_DEPTH = 5
_ROUTE = re.compile(
    r"(^|[.:])(route|get|post|put|patch|delete|head|websocket|websocket_route|on_message|on_event|event|listener|listen|task|shared_task|periodic_task|command|"
    r"slash_command|subscriber|handler|on|message_handler|middleware|api_route|endpoint|exception_handler|before_request|after_request|"
    r"receiver|job|scheduled_job|cron|rpc|expose|view_config|action|api_view|require_POST|require_GET|login_required|csrf_exempt|trigger|webhook|subscribe|consumer|actor)(\.\(\))?$"
)
_EVENT_NAMES = re.compile(
    r"^(_?on_|_?handle(_|$)|_?process_(message|event|request|task|job|item|packet|frame|update|command|data|query|response|batch|record)|_?receive|_?recv|_?consume|_?dispatch|"
    r"do_(GET|POST|PUT|DELETE|HEAD|PATCH)$|(data|line|message|string|request|response|datagram|eof|frame)_?[rR]eceived|connection_?(made|lost|Made|Lost)|"
    r"feed|_?publish|emit|notify|_?enqueue|_?push$|_?submit|_?send|_?request$|_?fetch|_?query$|acquire|open_session|create_session|start_session|tick$|poll$|training_step|"
    r"invoke|apply_async|_?execute$|run_(task|job)|_?call$|message$)"
)
_START_NAMES = re.compile(
    r"^_{0,2}(init|setup|set_up|configure|config|load|_load|initialize|initialise|start_?up|on_startup|startup|start$|build|bootstrap|install$|main$|create_app|make_app|"
    r"lifespan|ready|includeme|setUp|prepare|populate|parse_args|add_arguments|add_parser|async_setup|discover|from_config|import_|on_load|"
    r"on_after_|on_init|on_start|on_setup|on_ready|on_register|setup_|init_|load_|opt_|register_builtin|register_default|mount|include_router|(\w+_)?(lifespan|startup)(_|$))"
)
_COMMAND_LINE = re.compile(r"\b(click|typer|cli|cmd|app_cli)\b")
_COMMAND = re.compile(r"[.:]command(\.\(\))?$")
#: Where a command is a message that somebody sends.
_CHAT = re.compile(
    r"(bot|client|commands|tree|cog|router|group|app|discord|telegram|slack|chat|irc)\w*[.:]command(\.\(\))?$",
    re.IGNORECASE,
)
_COMMANDS = frozenset({"click", "typer", "rich_click", "cyclopts", "asyncclick"})
_IMPORT_NAMES = frozenset(
    {"__init_subclass__", "__set_name__", "__class_getitem__", "__prepare__", "__mro_entries__"}
)
_REGISTRAR = re.compile(
    r"^_?(async_)?(register|add|install|define|declare|provide|implements|bind|mount|include|export|expose|subscribe|observe|listen|attach|hook|watch|on|connect|with)"
    r"(_|[A-Z]|$)|_?(registry|decorator)$"
)


#: Who takes a function to call it for every result, message or tick.
_TAKERS = (
    "addCallback addCallbacks addErrback addBoth add_done_callback call_later call_soon call_soon_threadsafe callLater add_reader "
    "set_message_handler on_message add_handler subscribe add_listener"
).split()
_CALLBACK_NAME = re.compile(r"(_handler|_callback|_cb|_listener|[a-z]Handler|[a-z]Callback)$")
_CONSTRUCTORS = ("__init__", "__post_init__", "__new__", "__attrs_post_init__")
_PLAIN = frozenset(
    "append add setdefault keys values items format join encode decode hexdigest randint choice uuid4 copy upper lower".split()
)
#: What runs a coroutine to its end.
_RUNS = re.compile(r"(:|\.)(asyncio|anyio|trio|uvloop|curio)\.run$|(:|\.)run_until_complete$")
_DECORATED = frozenset(
    "f fn func fun function cls klass class_ method callback handler wrapped target view view_func decorated callable_ obj factory coro hook".split()
)
_ANNOTATED = re.compile(r"\b(Callable|Type|type)\b|^(F|T|C|_F|_T|FuncT|CallableT)$")


class Contexts:
    """Answers for functions and events; keeps what it found."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[tuple[str, int], Answer] = {}

    def of(self, path: str, event: Event) -> Answer:
        """Return when `event` happens."""
        if event.func >= 0 and event.flags & Flag.FOREVER:
            function = self._project.function(path, event.func)
            assert function is not None
            if _only_tries(function, event.owner):
                answer = self.of_function(path, event.func)
                once = answer.reason.endswith("runs once, as a loop")
                return Answer("unknown", f"nothing tells when `{function.name}` runs") if once else answer
            return Answer("per-event", f"inside a loop without end in `{function.name}`", path, event.line)
        return self.of_function(path, event.func)

    def of_function(self, path: str, index: int, depth: int = _DEPTH) -> Answer:
        """Return when a function runs."""
        if index < 0:
            return Answer("import", "runs at import", path, 0)
        known = self._known.get((path, index))
        if known is not None:
            return known
        self._known[(path, index)] = Answer("unknown", "called from itself")
        answer = self._decide(path, index, depth)
        self._known[(path, index)] = answer
        return answer

    def _decide(self, path: str, index: int, depth: int) -> Answer:
        function = self._project.function(path, index)
        assert function is not None
        name = function.name
        if name in _IMPORT_NAMES or (name == "__new__" and self._is_metaclass(path, function)):
            return Answer("import", f"`{name}` runs when a class is made", path, function.line)
        if function.cls and "BaseCommand" in self._project.base_names(Place(path, function.cls)):
            return Answer(
                "start-up", f"`{function.cls}` is a command of the command line", path, function.line
            )
        for decorator in function.decorators:
            if _COMMAND_LINE.search(decorator) or (
                ".command" in decorator and _COMMANDS & self._imported_roots(path)
            ):
                return Answer("start-up", f"`{name}` is a command of the command line", path, function.line)
            known = _ROUTE.search(decorator) and not decorator.endswith(("property", "setter"))
            if known and _COMMAND.search(decorator) and not _CHAT.search(decorator):
                continue  # of some command line of the project's own
            if known or self._project.tables.is_entry_point(decorator):
                return Answer(
                    "per-event",
                    f"`{name}` is decorated with `{decorator.partition(':')[2] or decorator}`",
                    path,
                    function.line,
                )
        callers = self._project.callers.of(path, index)
        if not is_test_path(path):
            callers = [c for c in callers if not is_test_path(c.path)]
        if _is_decorator(function) and all(c.func < 0 for c in callers):
            return Answer(
                "import", f"`{function.qualname}` returns what it is given: a decorator", path, function.line
            )
        answers = self._from_callers(path, index, callers, depth)
        for answer in answers:
            if answer.value == "per-event":
                return answer
        if (
            callers
            and len(answers) == len(callers)
            and all(a.value in ("import", "start-up") for a in answers)
        ):
            return Answer(
                answers[0].value,
                f"`{name}` is only called from {answers[0].reason or 'start-up code'}",
                answers[0].path,
                answers[0].line,
            )
        for answer in answers:
            if answer.value == "likely-event":
                return answer
        for answer in answers:
            if answer.value == "passed":
                return self._passed(path, function, answer)
        answer = self._by_name(path, function, bool(callers))
        if answer.value == "likely-event" and function.is_async and self._is_driven(callers):
            answer = Answer("unknown", f"nothing tells when `{name}` runs", path, function.line)
        if answer.value == "construct":
            return self._construction(path, function, depth) or answer
        if answer.value == "unknown" and callers:
            return Answer(
                "called",
                f"called from {len(callers)} places, none of which is known to run per event",
                path,
                function.line,
            )
        return answer

    def _passed(self, path: str, function: Function, answer: Answer) -> Answer:
        """Judge what is passed along: by who takes it, else by its name, else it may run at any time."""
        if function.name in self._called_back or _CALLBACK_NAME.search(function.name):
            return Answer("likely-event", "passed along as a callback", answer.path, function.line)
        named = self._by_name(path, function, True)
        return answer if named.value == "unknown" else named

    @cached_property
    def _called_back(self) -> set[str]:
        """The names of the functions that wait for a result, a message or a time."""
        found = set()
        for _, call in self._project.calls(*_TAKERS):
            for argument in (*call.args, *(value for _, value in call.keywords)):
                verb, _, rest = argument.partition("|")[0].partition(":")
                if verb in ("bound", "function", "closure"):
                    found.add(rest.rpartition(".")[2])
        return found

    def making(self, path: str, index: int) -> Answer | None:
        """Tell whether a method only runs while its own object is made, or return None."""
        function = self._project.function(path, index)
        if function is None:
            return None
        maker = self._only_maker(path, function, self._project.callers.of(path, index))
        text = f"`{function.name}` is only called while a `{maker}` is made"
        return Answer("making", text, path, function.line) if maker else None

    def _only_maker(self, path: str, function: Function, callers: list[Caller]) -> str:
        """The class whose `__init__` alone calls this method of its own, or ""."""
        if not function.cls or not callers:
            return ""
        related = {Place(path, function.cls), *self._project.subclasses.get(Place(path, function.cls), ())}
        for caller in callers:
            made = self._project.function(caller.path, caller.func)
            if caller.passed or made is None or made.name not in _CONSTRUCTORS:
                return ""
            if Place(caller.path, made.cls) not in related:
                return ""
        return function.cls

    def _is_driven(self, callers: list[Caller]) -> bool:
        """Whether only plain functions run a coroutine, each from its beginning to its end: `asyncio.run(serve())`."""
        for caller in callers:
            function = self._project.function(caller.path, caller.func)
            facts = self._project.files[caller.path]
            calls = function.calls if function is not None else facts.module_calls
            if (function is not None and function.is_async) or not any(_RUNS.search(c) for c in calls):
                return False
        return bool(callers)

    def _imported_roots(self, path: str) -> set[str]:
        return {dotted.partition(".")[0] for dotted in self._project.files[path].imports.values()}

    def _construction(self, path: str, function: Function, depth: int) -> Answer | None:
        """An `__init__` runs when instances are made: judge by where that is."""
        place = Place(path, function.cls)
        sites = [
            s
            for p in (place, *self._project.subclasses.get(place, ())[:8])
            for s in self._project.constructions.get(p, ())
            if not is_test_path(s[0])
        ]
        if not sites or depth <= 0:
            return None
        answers = [self.of_function(site_path, call.func, depth - 1) for site_path, call in sites[:16]]
        for wanted in ("per-event", "likely-event"):
            for answer in answers:
                if answer.value == wanted:
                    return Answer(
                        wanted, f"a `{function.cls}` is made where {answer.reason}", answer.path, answer.line
                    )
        if all(a.value in ("import", "start-up") for a in answers):
            return Answer(
                answers[0].value, f"every `{function.cls}` is made at import or start-up", path, function.line
            )
        return None

    def _from_callers(self, path: str, index: int, callers: list[Caller], depth: int) -> list[Answer]:
        if depth <= 0:
            return []
        found = []
        for link in callers[:24]:
            caller_path, caller = link.path, link.func
            if (caller_path, caller) == (path, index):
                continue
            if link.passed:
                found.append(Answer("passed", "passed along as a callback", caller_path))
                continue
            runner = self._project.function(caller_path, caller)
            if runner is not None and link.looped:
                found.append(
                    Answer(
                        "per-event",
                        f"called from the endless loop of `{runner.qualname}`",
                        caller_path,
                        runner.line,
                    )
                )
                continue
            answer = self.of_function(caller_path, caller, depth - 1)
            if answer.value == "per-event":
                function = self._project.function(caller_path, caller)
                where = function.qualname if function is not None else "module level"
                reason = (
                    answer.reason
                    if " called from " in answer.reason
                    else f"called from `{where}`: {answer.reason}"
                )
                answer = Answer("per-event", reason, caller_path, function.line if function else 0)
            found.append(answer)
        return found

    def _by_name(self, path: str, function: Function, called: bool) -> Answer:
        name = function.name
        if name in _CONSTRUCTORS:
            return Answer(
                "construct",
                f"runs once for every `{function.qualname.rpartition('.')[0]}` made",
                path,
                function.line,
            )
        if function.forever:
            return Answer("start-up", f"`{name}` runs once, as a loop", path, function.line)
        if _START_NAMES.match(name):
            return Answer("start-up", f"`{name}` is named like set-up code", path, function.line)
        if (
            _REGISTRAR.match(name)
            and not called
            and any(p.name in _DECORATED or _ANNOTATED.search(p.annotation) for p in function.params)
        ):
            return Answer(
                "registrar",
                f"`{name}` is a registration function that nothing in the project calls",
                path,
                function.line,
            )
        if _EVENT_NAMES.match(name) and not name[:1].isupper():
            return Answer(
                "likely-event", f"`{name}` is named like a handler or an operation", path, function.line
            )
        if _REGISTRAR.match(name) and not called:
            return Answer(
                "addition",
                f"`{name}` is named like an addition to a set-up, and nothing in the project calls it",
                path,
                function.line,
            )
        if function.is_async:
            return Answer("likely-event", f"`{name}` is a coroutine", path, function.line)
        return Answer("unknown", f"nothing tells when `{name}` runs", path, function.line)

    def _is_metaclass(self, path: str, function: Function) -> bool:
        return "type" in self._project.base_names(Place(path, function.cls)) or "Meta" in "".join(
            self._project.base_names(Place(path, function.cls))
        )


def _only_tries(function: Function, owner: str) -> bool:
    """Its `while True` calls nothing that could wait for an event: it looks for a free place in its container."""
    return not function.endless and all(
        name.startswith(("b:", f"{owner}.")) or name.rpartition(".")[2] in _PLAIN
        for name in function.loop_calls
    )


def _is_decorator(function: Function) -> bool:
    """It returns one of its own parameters, or a nested function that does."""
    names = {
        f"param:{p.name}" for p in function.params if p.name in _DECORATED or _ANNOTATED.search(p.annotation)
    }
    return any(tag.rpartition(":")[0] in names for tag in function.returns if tag.startswith("param:"))
