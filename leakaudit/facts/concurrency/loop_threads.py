"""Threads that run an event loop: nobody tells them to stop, or the word comes before they can be told."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.concurrency.background import Dropped, target_of
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, FileFacts, Function
from leakaudit.facts.owning.closings import Closings
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Related

_TELLS = ("call_soon_threadsafe", "run_coroutine_threadsafe")
#: What makes the one who stops wait until the thread is up, or look whether it is gone.
_WAITS = frozenset("wait result acquire get is_alive sleep".split())
_STOPS = frozenset(("stop", "close", "shutdown"))
_HOPS = 3


def deaf(project: Project) -> Iterator[Dropped]:
    """Yield the threads that are told to stop only if they have set the attribute by which they are told."""
    seen: set[tuple[str, str]] = set()
    for path, call in project.calls("Thread"):
        verb, _, owner = call.usage.partition(":")
        cls, _, attribute = owner.removeprefix("i:").rpartition(".")
        place = Place(path, cls)
        target = target_of(project, path, call)
        if verb != "store" or not owner.startswith("i:") or target is None or project.class_at(place) is None:
            continue
        told = _told(project.files[path], cls, attribute, target[1])
        starter = project.function(path, call.func)
        if told is None or starter is None or _waits(starter) or (path, owner) in seen:
            continue
        seen.add((path, owner))
        yield _dropped(project, path, call, target, attribute, told)


def unstopped(project: Project) -> Iterator[Dropped]:
    """Yield the threads that run a loop which their object keeps, and which nothing ever stops."""
    closings = Closings(project)
    for path, call in project.calls("Thread"):
        function = project.function(path, call.func)
        tags = next((v.split("|") for name, v in call.keywords if name == "target"), [])
        if function is None or not function.cls or not tags or not tags[0].endswith(".run_forever"):
            continue
        cls = Place(path, function.cls)
        loops = _kept(project.files[path], call.func, function.cls, tags)
        if loops and not any(_STOPS & closings.methods(cls, name) for name in loops):
            yield _endless(project, path, call, cls, min(loops))


def _kept(facts: FileFacts, func: int, cls: str, tags: list[str]) -> set[str]:
    """The attributes that keep the loop which a thread is to run, itself or through a local."""
    kept = (t[10:] for t in tags if t.startswith("attr:self."))
    found = {t.removesuffix(".run_forever") for t in kept if "." in t}  # `self.run_forever` is no loop's
    for owner, origins, _, at in facts.stored:
        if (
            at == func
            and owner.startswith(f"i:{cls}.")
            and "new_event_loop" in origins
            and "new_event_loop" in "".join(tags)
        ):
            found.add(owner.rpartition(".")[2])
    return found


def _endless(project: Project, path: str, call: Call, cls: Place, loop: str) -> Dropped:
    why = f"nothing stops `{loop}`, which it runs for as long as the process lives"
    lifetime = project.lifetimes.of_class(cls)
    evidence = (
        Evidence("end", "none", why, 3, Location(path, call.line, call.column)),
        Evidence("lifetime", lifetime.value, lifetime.reason, -3 if lifetime.value == "process" else 0),
    )
    location = Location(path, call.line, call.column, call.end_line, call.end_column)
    return Dropped(path, call.func, location, loop, "run_forever", None, why, evidence, (), "thread")


def _told(facts: FileFacts, cls: str, attribute: str, target: int) -> Call | None:
    """The call that tells the thread's loop to stop, where its guard asks for what only the thread sets."""
    inside = _reached(facts, cls, target)
    for call in facts.calls:
        if call.callee.rpartition(".")[2] not in _TELLS or call.func < 0:
            continue
        loop = call.callee.rpartition(".")[0]
        stopper = facts.functions[call.func]
        name = loop.rpartition(".")[2]
        if loop != f"i:{cls}.{name}" or call.func in inside or _waits(stopper):
            continue
        guarded = any(f"self.{name}" in guard and "not self" not in guard for guard in call.guards)
        setters = {f for o, tags, _, f in facts.stored if o == loop and not tags.startswith("const:None")}
        joined = f"i:{cls}.{attribute}.join" in stopper.calls
        forgotten = any(o == f"i:{cls}.{attribute}" and f == call.func for o, _, _, f in facts.stored)
        if guarded and joined and forgotten and setters and setters <= inside:
            return call
    return None


def _reached(facts: FileFacts, cls: str, target: int) -> set[int]:
    """The methods that run in the thread."""
    methods = {f"i:{cls}.{f.name}": i for i, f in enumerate(facts.functions) if f.cls == cls}
    found, edge = {target}, {target}
    for _ in range(_HOPS):
        edge = {methods[c] for i in edge for c in facts.functions[i].calls if c in methods} - found
        found |= edge
    return found


def _waits(function: Function) -> bool:
    return any(name.rpartition(".")[2] in _WAITS for name in function.calls)


def _dropped(
    project: Project, path: str, call: Call, target: tuple[str, int], attribute: str, told: Call
) -> Dropped:
    run = project.function(*target)
    stopper = project.function(path, told.func)
    assert run is not None
    assert stopper is not None
    loop = told.callee.rpartition(".")[0].rpartition(".")[2]
    why = f"`{stopper.name}` tells it to stop only if `{loop}` is set, which the thread itself does when it gets there"
    evidence = (
        Evidence("end", "race", why, 2, Location(path, told.line, told.column)),
        Evidence(
            "handle",
            "dropped",
            f"`{stopper.name}` joins with a limit at most, and lets go of `{attribute}`",
            1,
        ),
    )
    return Dropped(
        path,
        call.func,
        Location(path, call.line, call.column, call.end_line, call.end_column),
        attribute,
        run.name,
        target,
        why,
        evidence,
        (Related(Location(path, told.line, told.column), "skipped when the thread is not yet that far"),),
        "thread",
    )
