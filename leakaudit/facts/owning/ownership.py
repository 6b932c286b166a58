"""Who owns what must be closed: what a maker makes, and what ends an attribute that holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from leakaudit.facts.answers import words
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Function
from leakaudit.facts.project import Project
from leakaudit.facts.resources import CLOSERS, CLOSING_WORDS, MAKERS
from leakaudit.facts.tables import FRESH_WORDS
from leakaudit.findings import Evidence, Location, Related

#: The kind of what a rule of its own looks after.
CHILD = "child process"
_HOPS = 3
#: Names that mean the same maker wherever they are imported from.
_ANYWHERE = {
    "create_connection": "socket.create_connection",
    "open_connection": "asyncio.open_connection",
    "HTTPConnection": "http.client.HTTPConnection",
    "HTTPSConnection": "http.client.HTTPSConnection",
    "Session": "requests.Session",
    "session": "requests.session",
}
_TEARDOWN = frozenset(
    "close aclose stop shutdown terminate dispose destroy disconnect cleanup teardown finish quit release finalize kill exit abort "
    "unload __exit__ __aexit__ __del__ async_close async_stop async_shutdown close_connection disconnect_all stop_all close_all "
    "shutdown_all wait_closed tearDown stopService cleanup_resources on_shutdown on_stop connectionLost connection_lost on_close onClose "
    "close_connections close_session close_client async_will_remove_from_hass async_unload".split()
)


@dataclass(frozen=True, slots=True)
class Resource:
    """What has to be closed: in one word, and how bad it is when it is not (3 worst)."""

    kind: str
    harm: int


@dataclass(frozen=True, slots=True)
class Unclosed:
    """A resource that stays open: where it is made, under what name, and why nothing closes it."""

    path: str
    location: Location
    symbol: str
    name: str
    resource: Resource
    why: str
    evidence: tuple[Evidence, ...]
    related: tuple[Related, ...] = ()
    scope: str = ""
    certain: bool = False  # nothing but the close is missing, and what it costs is no descriptor that the collector closes


def made_by(project: Project, path: str, func: int, maker: str, hops: int = _HOPS) -> Resource | None:
    """Return what a callee (owner-style) makes: itself a maker, or a project function that returns one's result."""
    scope, _, name = maker.partition(":")
    if scope in ("b", "x", "m"):
        known = MAKERS.get(name)
        if known is not None and (scope != "b" or "." in name or name == "open"):
            return Resource(*known)
    target = project.callee(maker, path, func) if scope not in ("?", "b") else None
    if target is None:
        short = _ANYWHERE.get(name.rpartition(".")[2]) if name.startswith(".") else None
        return Resource(*MAKERS[short]) if short is not None else None
    function = project.function(*target)
    if function is None or not hops or function.name in ("__init__", "__new__") or function.is_generator:
        return None
    return returned_by(project, target[0], target[1], function, hops - 1)


def returned_by(
    project: Project, path: str, func: int, function: Function, hops: int = _HOPS
) -> Resource | None:
    """Return the resource that a function makes and returns."""
    if any(tag.endswith(("get_running_loop", "get_event_loop")) for tag in function.returns):
        return None
    for tag in function.returns:
        if tag.startswith(("param:", "attr:", "bound:")):
            return None  # it hands out something that was there before
        resource = tagged(project, path, func, tag, hops)
        if resource is not None:
            return resource
    return None


def tagged(project: Project, path: str, func: int, tag: str, hops: int) -> Resource | None:
    """Return the resource that a tag (see facts.origins) says is made by a known maker."""
    verb, _, name = tag.partition(":")
    if verb not in ("call", "new"):
        return None
    if name in MAKERS:
        return Resource(*MAKERS[name])
    if name.startswith("self.") and (function := project.function(path, func)) is not None and function.cls:
        return made_by(project, path, func, f"i:{function.cls}.{name[5:]}", hops)
    scope = "x:" if "." in name else "m:"
    return made_by(project, path, func, scope + name, hops)


def stored_as(
    project: Project,
    path: str,
    func: int,
    origins: str,
    made: Callable[[str, int, str], Resource | None] | None = None,
) -> tuple[Resource, bool] | None:
    """Return (what is stored, whether it may be the caller's own) for the origins of an attribute store."""
    passed = False
    for tag in origins.split("|"):
        if tag.startswith("param:"):
            passed = True
        elif tag.startswith(("call:", "new:")):
            resource = made(path, func, tag) if made is not None else tagged(project, path, func, tag, 1)
            return (resource, passed) if resource is not None else None
        elif not tag.startswith(("local:", "const:None")):
            return None
    return None


def closes(name: str, resource: Resource) -> bool:
    """Tell whether a function of that name ends what it is called on or given. A stopped event loop is not closed."""
    if resource.kind == "event loop":
        return "close" in words(name)
    return name in CLOSERS or bool(set(words(name)) & CLOSING_WORDS)


def teardowns(project: Project, cls: Place) -> dict[str, tuple[str, int]]:
    """Return the methods of a class, its bases and its subclasses that end it: name -> (file, function)."""
    found: dict[str, tuple[str, int]] = {}
    for place in (*project.mro(cls), *project.subclasses.get(cls, ())):
        facts = project.class_at(place)
        for name in facts.methods if facts is not None else ():
            if is_teardown(name):
                at = project.function_named(place.path, f"{place.name}.{name}")
                function = project.function(place.path, at) if at is not None else None
                if at is not None and function is not None and not _ends_one_of_many(function):
                    found.setdefault(name, (place.path, at))
    return found


def _ends_one_of_many(function: Function) -> bool:
    """Whether it is told by an argument whom it ends: `disconnect(sid)`."""
    return any(
        not p.default
        and not p.name.startswith("*")
        and words(p.name)[-1:]
        and words(p.name)[-1] in FRESH_WORDS
        for p in function.params[1:]
    )


def is_teardown(name: str) -> bool:
    """Tell by its name whether a method ends its object."""
    return name in _TEARDOWN or name.strip("_") in _TEARDOWN


def argument_of(call: Call, attribute: str) -> bool:
    """Tell whether `self.attribute` itself is an argument of a call."""
    wanted = f"attr:self.{attribute}"
    return any(wanted in value.split("|")[:2] for value in (*call.args, *(v for _, v in call.keywords)))
