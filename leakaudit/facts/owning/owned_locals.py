"""Locals that are left open: never closed, forgotten on one way out, or when something raises before the close."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.answers import words
from leakaudit.facts.concurrency.background import target_of
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Flag, Function, Holding
from leakaudit.facts.owning.ownership import CHILD, Resource, Unclosed, made_by, teardowns
from leakaudit.facts.project import Project
from leakaudit.facts.resources import POOL_NAMES
from leakaudit.findings import Evidence, Location, Related

_CONTEXT = {"per-event": 2, "likely-event": 1, "passed": 1, "registrar": -2, "start-up": -3, "import": -8}
_ONCE = frozenset("main _main amain cli run_app".split())
_MANY = 3
#: What holds nothing before it is used, and what is no use of it.
_EMPTY = frozenset({"session", "pool", "client", "exit stack"})
_SETTINGS = frozenset({"mount", "update", "add", "append"})
_TRANSPORTS = frozenset("transport connector connection_pool http_client".split())
_READING = frozenset("get read parse fetch receive recv".split())
#: Last words of the names of what makes something to be closed, provided that the same file shows it.
_LEARNT = {
    "connect": "connection",
    **{kind: kind for kind in "cursor connection session socket stream engine".split()},
}
_THINGS = frozenset("connection conn client session socket sock pool channel executor".split())


def unclosed(project: Project) -> Iterator[Unclosed]:
    """Yield the locals that leave their function open."""
    for path, facts in project.files.items():
        told: set[tuple[int, str, str, int]] = set()
        for holding in facts.holdings:
            key = (holding.func, holding.name, holding.how, holding.exit_line)
            if key in told or (holding.func, holding.name, "made", holding.line) in told:
                continue  # the same name, made in another branch; or told already
            resource = _resource(project, path, holding)
            if resource is None or (holding.lent and _kept(project, path, holding)):
                continue
            if resource.kind == CHILD:
                continue
            if resource.kind != "figure" or holding.how != "raise" or holding.closed:
                told.update((key, (holding.func, holding.name, "made", holding.line)))
                yield _unclosed(project, path, holding, resource)


def _resource(project: Project, path: str, holding: Holding) -> Resource | None:
    known = made_by(project, path, holding.func, holding.maker)
    if known is not None:
        return known
    if not holding.closed:
        sure = holding.sibling and not holding.lent and holding.how != "raise"
        return _learnt(project, path, holding) if sure else None
    scope, _, text = holding.maker.partition(":")
    name = text.rpartition(".")[2]
    if name in POOL_NAMES:
        return Resource("connection", 2)
    if name[:1].isupper() and set(words(name)[-1:]) & _THINGS and scope in ("x", "m"):
        cls = project.class_named(text, path)
        return Resource(words(name)[-1], 2) if cls is None else _of_class(project, cls, words(name)[-1])
    return None


def _learnt(project: Project, path: str, holding: Holding) -> Resource | None:
    """What another function of the file closes after calling the same maker, unless that hands out what it keeps."""
    name = holding.maker.rpartition(":")[2].rpartition(".")[2]
    target = project.callee(holding.maker, path, holding.func)
    maker = project.function(*target) if target is not None else None
    if maker is not None and any(tag.startswith(("param:", "attr:", "const:")) for tag in maker.returns):
        return None
    kind = _LEARNT.get((words(name) or [""])[-1])
    return Resource(kind, 1) if kind is not None and name == name.lower() else None


def _of_class(project: Project, cls: Place, kind: str) -> Resource | None:
    """What a class of the project holds open, if it does anything at all when it is closed."""
    endings = (project.function(*at) for at in teardowns(project, cls).values())
    return Resource(kind, 1) if any(f is not None and f.calls for f in endings) else None


def _kept(project: Project, path: str, holding: Holding) -> bool:
    """Whether anything that it is passed to may take it over."""
    for text in holding.passed:
        if text.rpartition(".")[2][:1].isupper() or not _borrows(project, path, holding, text):
            return True
    return False


def _borrows(project: Project, path: str, holding: Holding, text: str) -> bool:
    """A project function that neither stores what it is given, nor closes it, nor passes it to a constructor.

    One that can't be read only uses what it is given if it says so: `get_response(connection)`.
    """
    target = _callee(project, path, holding.func, text)
    function = project.function(*target) if target is not None else None
    if target is None or function is None:
        return "." not in text and set(words(text)[:1]) <= _READING
    names = {p.name for p in function.params}
    inner = (f for f in project.files[target[0]].functions if f.parent == target[1])
    if function.is_generator or any(names & {*f.captures} for f in inner):
        return False
    if any(
        call.startswith("?:")
        and call[2:].partition(".")[0] in names
        and call.endswith((".close", ".release"))
        for call in function.calls
    ):
        return False
    for call in project.files[target[0]].calls:
        if call.func == target[1] and call.callee.replace(":", ".").rpartition(".")[2][:1].isupper():
            given = "|".join((*call.args, *(v for _, v in call.keywords)))
            if any(f"param:{name}:" in given for name in names):
                return False
    for owner, origins, _, index in project.files[target[0]].stored:
        if (
            index == target[1]
            and (owner.startswith(("i:", "c:", "m:")) or "." in owner)
            and any(f"param:{name}:" in origins for name in names)
        ):
            return False
    return holding.how == "raise" or not any(tag.startswith("param:") for tag in function.returns)


def _callee(project: Project, path: str, func: int, text: str) -> tuple[str, int] | None:
    if text.startswith("self."):
        function = project.function(path, func)
        while function is not None and not function.cls:
            function = project.function(path, function.parent)
        return project.callee(f"i:{function.cls}.{text[5:]}", path, func) if function is not None else None
    return next(
        (at for scope in ("l:", "m:", "x:") if (at := project.callee(scope + text, path, func))), None
    )


def _unclosed(project: Project, path: str, holding: Holding, resource: Resource) -> Unclosed:
    function = project.function(path, holding.func)
    assert function is not None
    why, weight, place = _path(holding)
    evidence = [
        Evidence("path", holding.how, why, weight, Location(path, holding.exit_line)),
        Evidence("resource", resource.kind, f"`{holding.name}` holds a {resource.kind}", resource.harm - 1),
        _context(project, path, holding),
        *_risk(holding),
        *_sibling(path, holding),
        *_late(project, path, holding, function),
    ]
    if _is_unused(holding, resource):
        evidence.append(Evidence("use", "none yet", f"nothing was sent through `{holding.name}` yet", -3))
    shared = _shares(project, path, holding)
    if shared:
        evidence.append(
            Evidence("connections", "shared", f"`{holding.name}` uses the connections of `{shared}`", -4)
        )
    if holding.lent and holding.how != "raise":
        evidence.append(Evidence("lent", "yes", f"`{holding.passed[0]}` only uses it", -1))
    related = [Related(Location(path, holding.exit_line), place)]
    if holding.closed:
        related.append(Related(Location(path, holding.closed), "closed here, on the other ways out"))
    elif holding.given and holding.given != holding.line:
        related.append(
            Related(Location(path, holding.given), "only here does something else become its owner")
        )
    symbol = f"{project.module_name(path)}.{function.qualname}.<locals>.{holding.name}"
    location = Location(path, holding.line, holding.column, holding.end_line, holding.end_column)
    certain = holding.how != "raise" and resource.harm > 2 and not holding.closed
    return Unclosed(
        path,
        location,
        symbol,
        holding.name,
        resource,
        why,
        tuple(evidence),
        tuple(related),
        holding.how,
        certain,
    )


def _is_unused(holding: Holding, resource: Resource) -> bool:
    """A pool of connections that has none yet, or an exit stack that nothing was pushed on."""
    early = holding.how == "raise" and resource.kind in _EMPTY
    return early and not set(holding.uses) - _SETTINGS and not holding.passed


def _path(holding: Holding) -> tuple[str, int, str]:
    """Return (why it stays open, what that weighs, what happens at the exit)."""
    if holding.how == "raise":
        late = (
            "is closed only if nothing raises before"
            if holding.closed
            else "has no owner yet when something raises"
        )
        return (
            late,
            1,
            f"`{holding.risk}` may raise"
            if not holding.risk.startswith("raise ")
            else f"left here: `{holding.risk}`",
        )
    if holding.how == "again":
        return "is bound anew in the loop while it is still open", 3, "the next turn binds it anew"
    if holding.closed or holding.given:
        return "is left open on one way out", 3, "left open here"
    return "is never closed", 3, "left open here"


def _risk(holding: Holding) -> Iterator[Evidence]:
    if holding.how != "raise":
        return
    if not holding.collected and holding.risk.removeprefix("await ").startswith(f"{holding.name}."):
        yield Evidence("risk", "own", "only an operation of its own fails", -1)
    elif holding.risk.startswith("raise "):
        yield Evidence("risk", "explicit", "the function itself gives up there", 2)
    else:
        yield Evidence("risk", "foreign", f"`{holding.risk}` has nothing to do with it, and may raise", 1)
        if holding.risks >= _MANY:
            yield Evidence("risks", "many", f"{holding.risks} lines may raise before", 1)


def _sibling(path: str, holding: Holding) -> Iterator[Evidence]:
    if holding.sibling and not holding.closed and holding.how != "raise":
        maker = holding.maker.rpartition(":")[2].rpartition(".")[2]
        reason = f"another function closes what it gets of `{maker}`"
        yield Evidence("sibling", "closes", reason, 1, Location(path, holding.sibling))


def _late(project: Project, path: str, holding: Holding, function: Function) -> Iterator[Evidence]:
    """A method that keeps it on its object too late: what closes the object cannot see it yet."""
    if holding.how == "raise" and holding.given and not holding.closed and function.cls:
        names = [n for n in teardowns(project, Place(path, function.cls)) if n != "__del__"]
        if names:
            yield Evidence("owner", "late", f"`{names[0]}` cannot see it before it is kept", 1)


def _context(project: Project, path: str, holding: Holding) -> Evidence:
    if holding.flags & Flag.FOREVER:
        return Evidence("context", "per-event", "made in a loop without end", _CONTEXT["per-event"])
    outer = project.function(path, holding.func)
    while outer is not None:
        if outer.name in _ONCE:
            return Evidence("context", "start-up", f"`{outer.name}` runs once", _CONTEXT["import"])
        outer = project.function(path, outer.parent)
    if (path, holding.func) in _process_mains(project):
        return Evidence("context", "process", "its process ends with it", _CONTEXT["import"])
    context = project.contexts.of_function(path, holding.func)
    return Evidence("context", context.value, context.reason, _CONTEXT.get(context.value, 0))


def _shares(project: Project, path: str, holding: Holding) -> str:
    """What a client is given to send with, so that it holds no connections of its own, or ""."""
    for call in project.files[path].calls:
        if (call.line, call.column, call.func) == (holding.line, holding.column, holding.func):
            for name, value in call.keywords:
                if name in _TRANSPORTS and not value.startswith(("new:", "call:", "const:None")):
                    return name
    return ""


def _process_mains(project: Project) -> set[tuple[str, int]]:
    """The functions that a process of their own runs from beginning to end."""
    known: set[tuple[str, int]] = project.__dict__.setdefault("_process_mains", set())
    if "_process_mains_known" not in project.__dict__:
        project.__dict__["_process_mains_known"] = True
        targets = (target_of(project, path, call) for path, call in project.calls("Process"))
        known.update(target for target in targets if target is not None)
    return known
