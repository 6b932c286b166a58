"""LA203: a finalizer or exit handler that holds the object which it should clean up after."""

from __future__ import annotations

from collections.abc import Iterator

from leakaudit.facts.answers import words
from leakaudit.facts.growth import population
from leakaudit.facts.holders.exits import Pinned, eager, pinned
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call
from leakaudit.facts.project import Project
from leakaudit.findings import Evidence, Location, Probe, ProbeKind
from leakaudit.scan.rule import Rule, Suspect

_FINALIZED = {"one": -8, "few": -2, "likely-few": -1}
_AT_EXIT = {"many": 4, "likely-many": 2, "unknown": 1, "likely-few": -1, "few": -4, "one": -8}
_UNTIL = {"its thread": "until the thread ends", "the weak reference": "as long as the weak reference"}
_ONCE_METHODS = frozenset("run serve main listen forever".split())


class FinalizerPinsSelf(Rule):
    """A finalizer or exit handler refers to the object that it should clean up after, so the object never goes.

    ## What it does

    Flags `weakref.finalize(self, self.method)`, finalizers that are closures over `self` or are given it as an argument,
    and `atexit.register(self.method)` for instances that come and go; also `mapping.setdefault(key, weakref.finalize(...))`,
    which registers a finalizer with every call. Also callbacks of weak references that hold what is referred to, and threads
    that run a loop of an object whose `__del__` should end them.

    ## Why it leaks

    The registry of finalizers (and that of exit handlers) holds the callable strongly, and the callable holds the object:
    the finalizer waits for an object to die that it keeps alive itself. Both run only when the process ends.

    ## Example

        import weakref

        class Connection:
            def __init__(self, socket):
                self.socket = socket
                weakref.finalize(self, self.close)

            def close(self):
                self.socket.close()

    ## Use instead

        import weakref

        class Connection:
            def __init__(self, socket):
                self.socket = socket
                self._finalizer = weakref.finalize(self, socket.close)

            def close(self):
                self._finalizer()

    ## What we do not flag

    Functions, static methods, class methods and methods of attributes (`self.socket.close`); exit handlers that
    `atexit.unregister` takes out, that hold the object weakly, or that belong to classes of which a process has few.

    ## References

    - https://docs.python.org/3/library/weakref.html#weakref.finalize (the note on callbacks that own references to the object)
    - https://docs.python.org/3/library/atexit.html#atexit.unregister
    """

    code = "LA203"
    name = "finalizer-pins-self"
    object_types = ("weakref.finalize", "method", "function")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the registrations that keep their own object."""
        for pin in pinned(project):
            yield self._suspect(project, pin)
        for path, call, name in eager(project):
            yield self._eager(project, path, call, name)

    def _eager(self, project: Project, path: str, call: Call, name: str) -> Suspect:
        return Suspect(
            location=Location(path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{project.module_name(path)}.{name}",
            message=f"every call makes a finalizer, and all but the first are not in `{name}`: they wait in the registry for the object to die",
            evidence=(
                Evidence(
                    "registry", "finalize", "`setdefault` evaluates its default even when the key is there", 6
                ),
            ),
            notes=("`weakref.finalize` registers itself when it is made",),
            help=(
                f"test `if key not in {name}` before making the finalizer, or use a weak mapping without finalizers",
            ),
            scope="setdefault",
        )

    def _suspect(self, project: Project, pin: Pinned) -> Suspect:
        call = pin.call
        module = project.module_name(pin.path)
        cls = pin.cls.rpartition(".")[2]
        what = f"every `{cls}`" if cls else "the object"
        until = _UNTIL.get(pin.holder, "until the process ends")
        kept = f"{what} stays {until}: {pin.holder} holds {pin.how}"
        return Suspect(
            location=Location(pin.path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{pin.cls or pin.function.qualname}.{pin.method}",
            message=kept,
            evidence=tuple(self._evidence(project, pin)),
            notes=(
                "a registry holds its callables strongly, and a bound method or closure holds its object",
            ),
            help=(
                "pass a function and what it needs (`self._socket.close`, a path, a handle), never `self` or something bound to it",
                "or take it out in `close`: `atexit.unregister(self.method)`"
                if pin.at_exit
                else "or a static method with the resources as arguments",
            ),
            probe=Probe(ProbeKind.TYPE_COUNT, module, pin.path, pin.cls, "", (f"{module}.{pin.cls}",))
            if pin.cls
            else None,
            scope=pin.function.name,
        )

    def _evidence(self, project: Project, pin: Pinned) -> Iterator[Evidence]:
        if pin.at_exit:
            yield Evidence("registry", "atexit", "exit handlers are kept until the process ends", 2)
        else:
            why = f"{pin.holder} keeps alive what is to be waited for"
            yield Evidence("registry", "finalize", why, 5 if pin.holder in _UNTIL else 6)
        if pin.cls:
            count = population.of_class(project, Place(pin.path, pin.cls))
            where = Location(count.path, count.line) if count.path and count.line else None
            yield Evidence(
                "instances",
                count.value,
                count.reason,
                (_AT_EXIT if pin.at_exit else _FINALIZED).get(count.value, 0),
                where,
            )
        if pin.at_exit and set(words(pin.function.name)) & _ONCE_METHODS:
            yield Evidence("name", "runs once", f"`{pin.function.name}` runs as long as the program", -3)
        undo = next(
            (
                c
                for p, c in project.calls("unregister")
                if p == pin.path and c.callee == "x:atexit.unregister"
            ),
            None,
        )
        if pin.at_exit and undo is not None:
            yield Evidence(
                "cleanup",
                "unregister",
                "`atexit.unregister` takes exit handlers out",
                -20,
                Location(pin.path, undo.line),
            )
