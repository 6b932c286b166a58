"""What no rule suspects and a live process is asked about all the same.

Whether the tasks and threads of a function end, and whether something far away adds to a container, is hard to tell from
the source, and a count costs an audit little. What is not confirmed is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from leakaudit.facts.linking.modules import Modules
from leakaudit.facts.model import Call, Container, FileFacts, Op
from leakaudit.findings import Confidence, Evidence, Finding, Location, Probe, ProbeKind, Severity
from leakaudit.findings.model import WATCHED

_EVIDENCE = Evidence(WATCHED, "yes", "no rule suspects it; the live process was asked")
_TARGET = re.compile(r"(?:function:|bound:i:)([\w.]+)")
_THREADS = frozenset(("Thread", "Timer", "start_new_thread"))
MOST_CONTAINERS = 300
_SCOPES = {
    "m": ProbeKind.MODULE_ATTRIBUTE,
    "c": ProbeKind.CLASS_ATTRIBUTE,
    "i": ProbeKind.INSTANCE_ATTRIBUTE,
    "d": ProbeKind.DEFAULT_ARGUMENT,
}
_RULES = {
    "list": ("LA102", "unbounded-sequence"),
    "set": ("LA103", "unbounded-set"),
    "queue": ("LA503", "unbounded-queue"),
    **dict.fromkeys(("dict", "defaultdict", "counter"), ("LA101", "unbounded-mapping")),
}
_REGISTRARS = {
    "x:atexit.register": (
        ProbeKind.EXIT_FUNCTIONS,
        "registers a function for the exit on every call",
    ),
    "x:weakref.finalize": (
        ProbeKind.FINALIZERS,
        "makes finalizers whose objects do not die",
    ),
}


def watchlist(facts: Mapping[str, FileFacts], told: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what to watch beside what was `told` by rules: what is left running, and the containers of small projects."""
    told = tuple(told)
    known = {(f.location.path, f.location.line) for f in told}
    modules = Modules(facts)
    found = (
        finding for path, file in facts.items() for finding in _of_file(path, modules.name_of(path), file)
    )
    running = tuple(f for f in found if (f.location.path, f.location.line) not in known)
    symbols = {f.symbol for f in told}
    held = (
        finding
        for path, file in facts.items()
        for container in _unlimited(file)
        for finding in _container(path, modules.name_of(path), container)
    )
    return (*running, *islice((f for f in held if f.symbol not in symbols), MOST_CONTAINERS))


def _of_file(path: str, module: str, file: FileFacts) -> Iterator[Finding]:
    targets = {name for call in file.calls for name in _run_in_threads(call)}
    for function in file.functions:
        place = Location(path, function.line, function.column)
        if function.is_async and not function.is_generator:
            yield _running(place, Probe(ProbeKind.TASKS, module, path, function.qualname))
        elif function.qualname in targets or (not function.cls and function.name in targets):
            yield _running(place, Probe(ProbeKind.THREADS, module, path, function.qualname))
    for cls in file.classes:
        if any(base.rpartition(".")[2] == "Thread" for base in cls.bases):
            place = Location(path, cls.line, cls.column)
            yield _running(place, Probe(ProbeKind.THREADS, module, path, cls.qualname))
    for call in file.calls:
        if call.callee in _REGISTRARS and call.func >= 0:
            yield _registered(module, path, file, call)


def _unlimited(file: FileFacts) -> Iterator[Container]:
    """Yield the containers but those that a function measures and takes from: they stop growing at some size."""
    measured = {(event.owner, event.func) for event in file.events if event.op == Op.MEASURE}
    limited = {
        event.owner
        for event in file.events
        if event.op in (Op.SHRINK, Op.TRIM, Op.CLEAR) and (event.owner, event.func) in measured
    }
    return (container for container in file.containers if container.owner not in limited)


def _container(path: str, module: str, container: Container) -> Iterator[Finding]:
    scope, _, owned = container.owner.partition(":")
    if scope in _SCOPES and not container.bound and not container.weak:
        qualname, _, name = owned.rpartition(".")
        place = Location(path, container.line, container.column, container.end_line, container.end_column)
        probe = Probe(_SCOPES[scope], module, path, qualname, name)
        message = f"`{name}` gains entries that nothing takes out"
        yield _finding(place, probe, message, *_RULES.get(container.kind, _RULES["list"]))


def _run_in_threads(call: Call) -> Iterator[str]:
    if call.callee.rpartition(".")[2].rpartition(":")[2] in _THREADS:
        for value in (*call.args, *(value for _, value in call.keywords)):
            yield from _TARGET.findall(value)


def _running(place: Location, probe: Probe) -> Finding:
    message = f"{probe.kind.value} that run `{probe.qualname}` are started faster than they end"
    return _finding(place, probe, message, "LA502", "task-dropped")


def _registered(module: str, path: str, file: FileFacts, call: Call) -> Finding:
    kind, what = _REGISTRARS[call.callee]
    function = file.functions[call.func]
    place = Location(path, call.line, call.column, call.end_line, call.end_column)
    called = _TARGET.search(" ".join(call.args))
    probe = Probe(kind, module, path, function.qualname, called[1] if called else "")
    return _finding(place, probe, f"`{function.name}` {what}", "LA203", "finalizer-pins-self")


def _finding(place: Location, probe: Probe, message: str, rule: str, name: str) -> Finding:
    named = probe.attribute if probe.kind in _SCOPES.values() else ""
    return Finding(
        rule=rule,
        name=name,
        location=place,
        symbol=".".join(filter(None, (probe.module, probe.qualname, named))),
        message=message,
        severity=Severity.WARNING,
        confidence=Confidence.LOW,
        evidence=(_EVIDENCE,),
        probe=probe,
        scope=probe.kind.value,
    )
