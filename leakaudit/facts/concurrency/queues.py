"""Queues without a bound between two parties that do not wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leakaudit.facts.answers import words
from leakaudit.facts.linking.linked import Place, Seen, Subject
from leakaudit.facts.model import Flag, Op, Use
from leakaudit.facts.owning.closings import Closings
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location

_QUEUES = ("Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "JoinableQueue")
_PUTS = frozenset("put put_nowait send_nowait".split())
_TAKES = frozenset("get get_nowait task_done join".split())
_PAUSES = frozenset(
    "pause_reading pause_producing pauseProducing throttle backpressure apply_backpressure".split()
)
_PER_PARTY = frozenset(
    "subscription subscriber client session connection channel listener consumer stream websocket socket peer request response viewer watcher user player".split()
)
#: Bases of classes that are made once for every connection.
_CONNECTIONS = frozenset(
    "WebSocketHandler Protocol DatagramProtocol BufferedProtocol BaseRequestHandler StreamRequestHandler WebsocketConsumer "
    "AsyncWebsocketConsumer WebSocketServerProtocol WebSocketClientProtocol WebSocketEndpoint".split()
)
_CONTEXT = {"per-event": 2, "likely-event": 1, "registrar": -1, "start-up": -4, "import": -8}


@dataclass(frozen=True, slots=True)
class Backlog:
    """A queue that may grow without limit: where it is fed, and why nothing slows the feeder down."""

    subject: Subject
    put: Seen
    why: str
    evidence: tuple[Evidence, ...]
    unread: bool = False  # nothing takes anything out, as far as the facts show
    fan_out: bool = False  # everything is put into every one of several queues


def backlogs(project: Project) -> Iterator[Backlog]:
    """Yield the unbounded queues that one party fills and another empties at its own pace."""
    closings = Closings(project)
    for subject in project.subjects.values():
        found: Backlog | None = None
        if subject.container.kind == "queue" and not subject.container.bound:
            if subject.scope == "l":
                found = _local(project, subject)
            elif subject.scope in "imc":
                found = _owned(project, closings, subject)
        elif subject.scope in "imc" and subject.container.kind in ("dict", "defaultdict", "list", "set"):
            found = _one_each(project, subject)
        if found is not None:
            yield found


def _feeds(subject: Subject, depth: int = 0) -> list[Seen]:
    """The puts of real entries: not the None or the flag that says goodbye, not the first filling."""
    return [
        seen
        for seen in subject.events(Op.GROW)
        if seen.event.method in _PUTS
        and seen.event.func >= 0
        and seen.event.depth == depth
        and (seen.event.flags & Flag.CALLBACK or not _is_signal(seen))
    ]


def _is_signal(seen: Seen) -> bool:
    origins = seen.event.value_origins
    return bool(origins) and all(tag.startswith("const:") for tag in origins)


def _takes(subject: Subject) -> list[Seen]:
    return [s for s in subject.events(Op.SHRINK) if s.event.method in _TAKES]


def _owned(project: Project, closings: Closings, subject: Subject) -> Backlog | None:
    feeds = _feeds(subject)
    takes = _takes(subject)
    if not feeds or subject.events(Op.MEASURE) or _slows_down(project, subject):
        return None
    consumer = _consumer(project, closings, subject, takes)
    if consumer is None:
        return None
    put = max(feeds, key=lambda s: _CONTEXT.get(project.context(s).value, 0))
    return Backlog(
        subject,
        put,
        "its reader sets the pace, and nothing slows down the writer"
        if takes
        else "nothing takes anything out of it",
        (consumer, *_weigh(project, subject, put)),
        unread=not takes,
    )


def _consumer(project: Project, closings: Closings, subject: Subject, takes: list[Seen]) -> Evidence | None:
    """Who empties it: somebody else at his own pace, nobody, or (None) a loop that belongs to the queue."""
    for seen in takes:
        function = project.function(seen.path, seen.event.func)
        if function is None or (seen.event.flags & Flag.LOOP and not function.is_generator):
            return None
    if takes:
        function = project.function(takes[0].path, takes[0].event.func)
        name = function.name if function is not None else "?"
        return Evidence(
            "consumer", "elsewhere", f"entries leave when somebody calls `{name}`", 1, _place(takes[0])
        )
    if subject.uses & Use.PASS or subject.scope != "i" or not subject.name.startswith("_"):
        return None
    methods = closings.methods(Place(subject.path, subject.cls), subject.name)
    if methods - _PUTS - {"qsize", "empty"}:
        return None
    return Evidence("consumer", "none", f"nothing in the project takes anything out of `{subject.name}`", 4)


def _slows_down(project: Project, subject: Subject) -> bool:
    """Whether the class stops its source while the queue is long."""
    if subject.scope != "i":
        return False
    for place in project.mro(Place(subject.path, subject.cls)):
        for function in project.files[place.path].functions:
            if function.cls == place.name and any(c.rpartition(".")[2] in _PAUSES for c in function.calls):
                return True
    return False


def _weigh(project: Project, subject: Subject, put: Seen) -> Iterator[Evidence]:
    context = project.context(put)
    yield Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0), _place(put))
    if put.event.flags & Flag.AWAIT and put.event.method == "put":
        yield Evidence(
            "put", "await", "`await put()` looks like waiting for room, and never waits", 1, _place(put)
        )
    if subject.scope == "i":
        yield _owner(project, subject)


def _owner(project: Project, subject: Subject) -> Evidence:
    """Whether there is one such queue for every subscriber or connection."""
    lifetime = project.lifetime(subject)
    if lifetime.value == "keyed":
        return Evidence("owner", "many", lifetime.reason, 2)
    party = set(words(subject.cls)[-1:]) & _PER_PARTY
    base = project.base_names(Place(subject.path, subject.cls)) & _CONNECTIONS
    if party or base:
        return Evidence("owner", "many", f"one `{subject.cls}` for every {(party or base).pop()}", 1)
    return Evidence("owner", lifetime.value, lifetime.reason, -1)


def _local(project: Project, subject: Subject) -> Backlog | None:
    """A queue of one call, filled by a task or a callback, emptied at the pace of whoever reads the answer."""
    feeds = [
        s for s in _feeds(subject) if s.event.flags & Flag.CALLBACK or s.event.func != subject.container.func
    ]
    takes = [s for s in _takes(subject) if s.event.flags & Flag.LOOP or _generates(project, s)]
    if not feeds or not takes or subject.events(Op.MEASURE):
        return None
    put = feeds[0]
    reader = project.function(takes[0].path, takes[0].event.func)
    name = reader.name if reader is not None else "?"
    evidence = (
        Evidence(
            "consumer",
            "elsewhere",
            f"`{name}` takes entries at the pace of whoever reads from it",
            1,
            _place(takes[0]),
        ),
        _producer(project, put),
        _frequency(project, subject),
    )
    return Backlog(subject, put, "a slow reader lets it grow to the size of all that is written", evidence)


def _producer(project: Project, put: Seen) -> Evidence:
    """A task of its own, or somebody who was given `put`, runs ahead of the reader; a callback only now and then."""
    feeder = project.function(put.path, put.event.func)
    started = feeder is not None and any(
        path == put.path and any(arg.startswith(f"call:{feeder.name}") for arg in call.args[:1])
        for path, call in project.calls("create_task", "ensure_future", "start_soon", "Thread", "submit")
    )
    if started or put.event.flags & Flag.CALLBACK:
        return Evidence(
            "put",
            "ahead",
            "whoever puts runs by itself and never waits, for the queue has no `maxsize`",
            2,
            _place(put),
        )
    return Evidence("put", "free", "whoever puts never waits, for the queue has no `maxsize`", 0, _place(put))


def _generates(project: Project, seen: Seen) -> bool:
    function = project.function(seen.path, seen.event.func)
    return function is not None and function.is_generator


def _frequency(project: Project, subject: Subject) -> Evidence:
    context = project.contexts.of_function(subject.path, subject.container.func)
    return Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0))


def _one_each(project: Project, subject: Subject) -> Backlog | None:
    """A container with one unbounded queue for every subscriber, into all or one of which others put."""
    made = [s for s in subject.events(Op.GROW) if s.event.depth == 0 and _makes_queue(project, s)]
    feeds = [s for s in _feeds(subject, 1) if all(s.event.func != m.event.func for m in made)]
    if not made or not feeds:
        return None
    put = max(feeds, key=lambda s: s.event.flags & Flag.LOOP)
    own = [s for s in _takes(subject) if s.event.flags & Flag.LOOP and not _generates(project, s)]
    if own:
        return None
    fan_out = bool(put.event.flags & Flag.LOOP)
    evidence = (
        Evidence(
            "owner",
            "many",
            f"`{subject.name}` holds one queue without `maxsize` for every `{made[0].event.key or 'entry'}`",
            2,
            _place(made[0]),
        ),
        Evidence(
            "put",
            "all" if fan_out else "one",
            "everything is put into every queue" if fan_out else "others put into it",
            2 if fan_out else -2,
            _place(put),
        ),
        _context(project, put),
    )
    return Backlog(
        subject, put, "a reader that is slow or gone lets its queue grow", evidence, fan_out=fan_out
    )


def _makes_queue(project: Project, seen: Seen) -> bool:
    """Whether what is put in is a queue that is made right there, without a size."""
    if not any(tag.startswith("new:") and tag.endswith("Queue") for tag in seen.event.value_origins[:2]):
        return False
    made = [
        call
        for path, call in project.calls(*_QUEUES)
        if path == seen.path and call.func == seen.event.func and call.line <= seen.event.line
    ]
    return bool(made) and not (made[-1].args or made[-1].keywords)


def _context(project: Project, put: Seen) -> Evidence:
    context = project.context(put)
    return Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0))


def _place(seen: Seen) -> Location:
    event = seen.event
    return Location(seen.path, event.line, event.column, event.line, event.end_column or None)
