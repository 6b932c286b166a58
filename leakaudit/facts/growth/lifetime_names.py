"""Names that tell how long something lives: of classes, methods, functions and bases. Data only."""

from __future__ import annotations

import re

LONG_WORDS = frozenset(
    "server manager registry cache pool broker service store storage backend app application engine scheduler dispatcher router hub bus "
    "monitor daemon coordinator controller repository supervisor exchange singleton emitter limiter exporter collector "
    "orchestrator gateway proxy servicer bot consumer producer publisher subscriber listener watcher poller worker reactor "
    "broadcaster notifier resolver tracker limiter throttle kernel runtime layer transport plugin extension middleware holder "
    "client session_manager hass bridge queue receiver sender locator multiplexer scraper crawler".split()
)
SHORT_WORDS = frozenset(
    "request response context message parser visitor builder node iterator token option options config configuration spec record "
    "entry item transaction call cursor form field formatter lexer compiler generator walker transformer reader "
    "writer command step test args result report frame expression statement schema template renderer serializer "
    "encoder decoder query path row cell block section line diff patch plan params parameters info data details snapshot event "
    "error exception warning graph tree element widget figure plot dataset batch sample migration inspector matcher scanner checker "
    "mock dummy fake model flow wizard episode future promise deferred operation attempt".split()
)
LONG_METHODS = frozenset(
    "serve serve_forever run_forever listen main consume start_consuming mainloop main_loop event_loop poll_forever start_server "
    "run_server startup on_startup start_background_tasks shutdown".split()
)
MAKER = re.compile(
    r"^_*(async_)?(setup|set_up|start|init|create|make|build|get|open|connect|new|from|load|register|install|enable|initialize|factory|find|launch|prepare|on_start|on_load|add)(_|$|[A-Z])"
)
LOOP_NAME = re.compile(
    r"^_*(async_|a)?((run|serve|loop|main|worker|poll|listen|consume|monitor|watch|heartbeat|keep|background|receive|reader)(_forever|_loop|_thread|_worker|_task|_all|_in_background)?"
    r"|\w+_(loop|forever|thread|worker|daemon|task|monitor|listener|consumer|heartbeat))$"
)
SHORT_BASES = frozenset(
    "NodeVisitor NodeTransformer CSTVisitor CSTTransformer Exception BaseException Error TestCase IsolatedAsyncioTestCase NamedTuple "
    "TypedDict HTMLParser Action ArgumentParser Command BaseCommand Protocol Request Response BaseHTTPRequestHandler "
    "RequestHandler Form ModelForm Serializer View APIView Transformer Visitor Lexer Formatter Template Enum Directive SphinxDirective "
    "JSONEncoder JSONDecoder Config Struct ConfigFlow OptionsFlow Flow BaseModel Pickler Unpickler Thread_".split()
)
#: Bases whose metaclass copies mutable class-level defaults for each instance.
COPYING_BASES = frozenset({"Struct", "BaseModel", "BaseSettings", "SQLModel", "RootModel"})
THREAD_BASES = frozenset(
    "Thread Process Service Application FastAPI Flask Starlette Sanic Celery Server Cog Bot Client Plugin".split()
)
DATA_DECORATORS = (
    "dataclass",
    "dataclasses.dataclass",
    "attr.s",
    "attrs.define",
    "define",
    "attr.attrs",
    "attrs.frozen",
    "frozen",
    "attr.dataclass",
)
