"""Tasks that nobody ends: the losers of a race, and endless loops whose handle is dropped or never cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from leakaudit.facts.growth import judge
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Flag, Function, Loser, Race
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Related

_WAITS = frozenset(
    "wait get join acquire receive recv recv_bytes read readline readexactly accept wait_closed wait_for_event wait_until "
    "get_message next_message __anext__ serve_forever".split()
)
_ENDS = frozenset("sleep timeout wait_for send drain close aclose sleep_until".split())
_TEARDOWN = frozenset(
    "stop close aclose shutdown __aexit__ __exit__ disconnect cleanup teardown terminate async_stop async_close unload".split()
)
_ONCE = frozenset("main _main amain cli run_app".split())
_SERVES = frozenset("run serve start run_forever serve_forever startup lifespan arun async_run _run".split())
_STARTS = ("create_task", "ensure_future", "create_background_task")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A task that is left running: where it is made, what it runs, and why nothing ends it."""

    path: str
    func: int
    location: Location
    name: str
    text: str
    target: tuple[str, int] | None
    why: str
    evidence: tuple[Evidence, ...]
    related: tuple[Related, ...] = ()
    what: str = "task"


def lost_races(project: Project) -> Iterator[Dropped]:
    """Yield one task per race that is left running when another came first."""
    for path, facts in project.files.items():
        for race in facts.races:
            rated = [(_pace(project, path, race.func, loser), loser) for loser in race.losers]
            left = sorted((r for r in rated if r[0] != "ends"), key=lambda r: r[0] != "waits")
            if left:
                yield _lost(project, path, race, left)


def _lost(project: Project, path: str, race: Race, left: list[tuple[str, Loser]]) -> Dropped:
    pace, loser = left[0]
    place = Location(path, loser.line, loser.column, loser.end_line, loser.end_column)
    related = [
        Related(
            Location(path, race.line, race.column, race.end_line, race.end_column),
            "only the first is waited for",
        )
    ]
    related += [
        Related(Location(path, x.line, x.column, x.end_line, x.end_column), f"`{x.text}` is left, too")
        for _, x in left[1:]
    ]
    why = (
        "is cancelled only when no other task came first either"
        if loser.cancelled == "conditional"
        else "is neither cancelled nor awaited when another task comes first"
    )
    evidence = (
        Evidence("end", loser.cancelled, f"`{loser.name or loser.text}` {why}", 3),
        Evidence("pace", pace, _PACE[pace][0].format(loser.text), _PACE[pace][1]),
        _frequency(project, path, race.func, race.flags & loser.flags),
    )
    target = project.callee(loser.coroutine, path, race.func)
    return Dropped(
        path, race.func, place, loser.name, loser.text, target, f"it {why}", evidence, tuple(related)
    )


_PACE = {
    "waits": ("`{}` waits until something happens: it may never end by itself", 2),
    "unknown": ("nothing tells how long `{}` runs", -2),
}


def _pace(project: Project, path: str, func: int, loser: Loser) -> str:
    """Whether a coroutine waits for something, ends by itself, or neither is known."""
    target = project.callee(loser.coroutine, path, func)
    if target is None:
        return _named_pace((loser.coroutine,))
    function = project.function(*target)
    assert function is not None
    return "waits" if function.forever else _named_pace(function.calls)


def _named_pace(calls: tuple[str, ...]) -> str:
    names = {call.replace(":", ".").rpartition(".")[2] for call in calls}
    return "waits" if names & _WAITS else "ends" if names & _ENDS else "unknown"


def _frequency(project: Project, path: str, func: int, flags: int) -> Evidence:
    if flags & (Flag.LOOP | Flag.FOREVER):
        return Evidence("context", "per-turn", "made inside a loop: one more at every turn", 2)
    outer = project.function(path, func)
    while outer is not None:
        if outer.name in _ONCE:
            return Evidence("context", "start-up", f"`{outer.name}` runs once", judge.CONTEXT["import"])
        outer = project.function(path, outer.parent)
    context = project.contexts.of_function(path, func)
    function = project.function(path, func)
    if function is not None and function.name in _SERVES and context.value == "likely-event":
        return Evidence(
            "context", "serving", f"`{function.name}` is named like what runs as long as its object", 0
        )
    return Evidence("context", context.value, context.reason, judge.CONTEXT[context.value])


def endless(project: Project) -> Iterator[Dropped]:
    """Yield the endless coroutines that are started as a task whose handle is dropped or never cancelled."""
    for path, call in project.calls(*_STARTS):
        verb, _, owner = call.usage.partition(":")
        if verb not in ("drop", "store") or any(tag.startswith("with:") for tag in call.receiver):
            continue
        target = _coroutine(project, path, call)
        function = project.function(*target) if target is not None else None
        if (
            target is None
            or function is None
            or not function.endless
            or project.function(path, call.func) is None
        ):
            continue
        if verb == "store" and (not owner.startswith("i:") or _is_ended(project, owner)):
            continue
        kept = owner.rpartition(".")[2] if verb == "store" else ""
        why = (
            f"is kept in `{kept}`, which nothing cancels"
            if kept
            else "is dropped, so that nothing can cancel it"
        )
        handle = Evidence("handle", "kept" if kept else "dropped", f"the task's handle {why}", 1)
        yield _endless(project, path, call, target, function, handle, kept)


def threads(project: Project) -> Iterator[Dropped]:
    """Yield the endless functions that are started as a thread: nothing ends a thread from outside."""
    for path, call in project.calls("Thread"):
        target = target_of(project, path, call)
        function = project.function(*target) if target is not None else None
        if target is not None and function is not None and function.endless and call.func >= 0:
            handle = Evidence(
                "handle",
                "none",
                f"no handle ends a thread: `{function.name}` would have to look at a flag",
                1,
            )
            yield replace(_endless(project, path, call, target, function, handle, ""), what="thread")


def target_of(project: Project, path: str, call: Call) -> tuple[str, int] | None:
    """The project function that a `Thread(target=...)` or `Process(target=...)` runs."""
    text = dict(call.keywords).get("target", "") or (call.args[1] if len(call.args) > 1 else "")
    verb, _, name = text.partition("|")[0].partition(":")
    if verb == "closure":
        index = project.function_named(path, name)
        return (path, index) if index is not None else None
    return (
        project.callee(name if verb == "bound" else f"m:{name}", path, call.func)
        if verb in ("bound", "function")
        else None
    )


def _endless(
    project: Project,
    path: str,
    call: Call,
    target: tuple[str, int],
    function: Function,
    handle: Evidence,
    kept: str,
) -> Dropped:
    starter = project.function(path, call.func)
    assert starter is not None
    evidence = (
        Evidence(
            "end",
            "never",
            f"`{function.name}` runs `while True` without a way out",
            2,
            Location(target[0], function.line),
        ),
        handle,
        _ending(project, path, starter),
        _per_opening(_frequency(project, path, call.func, call.flags)),
    )
    place = Location(path, call.line, call.column, call.end_line, call.end_column)
    related = (
        Related(Location(target[0], function.line, function.column), f"`{function.name}` never returns"),
    )
    return Dropped(
        path,
        call.func,
        place,
        kept or function.name,
        function.name,
        target,
        handle.reason,
        evidence,
        related,
    )


def _per_opening(frequency: Evidence) -> Evidence:
    """What starts something once per opening is no start-up code of the process."""
    if frequency.weight != judge.CONTEXT["start-up"]:
        return frequency
    return Evidence(frequency.fact, frequency.value, frequency.reason, -1, frequency.location)


def _ending(project: Project, path: str, starter: Function) -> Evidence:
    """Whether what starts the task has an end at which it should stop it."""
    if starter.is_generator and any("contextmanager" in d for d in starter.decorators):
        return Evidence(
            "owner",
            "context",
            f"`{starter.name}` is entered and left, and the task outlives it",
            2,
            Location(path, starter.line),
        )
    if starter.cls:
        for base in project.mro(Place(path, starter.cls)):
            cls = project.class_at(base)
            names = sorted(set(cls.methods) & _TEARDOWN) if cls is not None else []
            if names:
                return Evidence(
                    "owner",
                    "closed",
                    f"`{starter.cls}` has `{names[0]}`, which leaves the task running",
                    2,
                    Location(path, starter.line),
                )
    return Evidence("owner", "none", f"nothing tells when what `{starter.name}` starts should end", -1)


def _coroutine(project: Project, path: str, call: Call) -> tuple[str, int] | None:
    """The project function whose coroutine a `create_task(f(...))` runs."""
    tag = call.args[0].partition("|")[0] if call.args else ""
    if not tag.startswith("call:"):
        return None
    text = tag[5:]
    if text.startswith("self."):
        function = project.function(path, call.func)
        while function is not None and not function.cls:
            function = project.function(path, function.parent)
        return (
            project.callee(f"i:{function.cls}.{text[5:]}", path, call.func) if function is not None else None
        )
    return next(
        (found for scope in ("l:", "m:", "x:") if (found := project.callee(scope + text, path, call.func))),
        None,
    )


def _is_ended(project: Project, owner: str) -> bool:
    """Whether any code of the project cancels the attribute, or hands it on."""
    return owner.rpartition(".")[2] in project.ended_attributes
