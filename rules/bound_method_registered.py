"""LA202: a method registered with something that lives longer keeps its instance alive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.holders.subscribing import FINAL
from leakaudit.facts.holders.subscription import Subscription
from leakaudit.facts.holders.subscriptions import subscriptions
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.linking.linked import Place
    from leakaudit.facts.project import Project

_SOURCE = {"global": 2, "passed-in": 1, "lasting": 1, "unknown": -3, "argument": -1, "short": -6}
_INSTANCE = {"short": 2, "keyed": 2, "likely-short": 1, "likely-long": -2, "long": -4, "process": -4}
_CONTEXT = {"per-event": 2, "likely-event": 1, "start-up": -3, "import": -8, "addition": -2, "registrar": -2}
_CONSTRUCT = {"short": 1, "keyed": 1, "likely-short": 1, "unseen": 1}
_ENDS = re.compile(
    r"^_*(a?close|disconnect|shutdown|stop|connection_?lost|__a?exit__|unload|destroy|delete|dispose|teardown|cleanup|async_will_remove\w*)$",
    re.IGNORECASE,
)


class BoundMethodRegistered(Rule):
    """An instance registers its own method with something that outlives it, and never takes it out.

    ## What it does

    Flags `self.method`, or a closure over `self`, handed to a global registry, or to an object that the constructor was
    given, when the class never unregisters it and the handle that the call returns is dropped.

    ## Why it leaks

    A bound method refers to its instance. The registry keeps the method, the method keeps the instance, and the instance
    all that it holds: for as long as the registry lives. Dead instances are still called.

    ## Example

        class Panel:
            def __init__(self, client):
                self.client = client
                self.client.on_connect(self.refresh)

            def refresh(self):
                self.client.send(self.text)

        def handle_request(request):
            return Panel(request.client)

    ## Use instead

        class Panel:
            def __init__(self, client):
                self.client = client
                self.client.on_connect(self.refresh)

            def refresh(self):
                self.client.send(self.text)

            def close(self):
                self.client.remove_on_connect(self.refresh)

        def handle_request(request):
            return Panel(request.client)

    ## What we do not flag

    Objects that the instance makes itself (a cycle: LA205); handles that are kept, returned or passed on; signals that hold
    receivers weakly, unless `weak=False`; registries that keep one callable per name; classes that live as long as the process.

    ## References

    - https://docs.python.org/3/library/weakref.html#weakref.WeakMethod
    """

    code = "LA202"
    name = "bound-method-registered"
    object_types = ("method", "function")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the registrations that pin an instance; one for each function that registers."""
        grouped: dict[tuple[str, int], list[Subscription]] = {}
        for item in subscriptions(project):
            if (
                item.pins is not None
                and item.undone.value == "no"
                and item.source.value not in ("self", "own")
            ):
                grouped.setdefault((item.path, item.call.func), []).append(item)
        for items in grouped.values():
            best = max(items, key=lambda item: sum(e.weight for e in self._evidence(project, item)))
            assert best.pins is not None
            yield self._suspect(project, best, best.pins, [item for item in items if item is not best])

    def _suspect(
        self, project: Project, item: Subscription, pins: Place, others: list[Subscription]
    ) -> Suspect:
        module, kind = project.module_name(item.path), pins.name.rpartition(".")[2]
        call = item.call
        last = item.what.removeprefix("self.")
        related = [
            Related(Location(o.path, o.call.line, o.call.column), f"so does `{o.what}`") for o in others[:4]
        ]
        if item.source.line and item.source.line != call.line:
            related.insert(0, Related(Location(item.source.path, item.source.line), item.source.reason))
        return Suspect(
            location=Location(item.path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{pins.name}.{last}",
            message=f"`{item.verb}` keeps `{item.what}`, and with it its `{kind}`, for as long as the registry lives",
            evidence=tuple(self._evidence(project, item)),
            related=tuple(related),
            notes=(item.source.reason, item.undone.reason),
            help=(
                "take it out where the instance ends (`close`, `stop`, `__exit__`), or keep the handle and cancel it there",
                "or register `weakref.WeakMethod(self.method)`, where the registry can call that",
            ),
            probe=Probe(ProbeKind.TYPE_COUNT, module, item.path, pins.name, "", (f"{module}.{pins.name}",)),
            scope=f"{item.function.qualname}:{item.verb}",
            cap=Confidence.HIGH if item.registry is not None or item.verb in FINAL else Confidence.MEDIUM,
        )

    def _evidence(self, project: Project, item: Subscription) -> Iterator[Evidence]:
        assert item.pins is not None
        yield Evidence("pinned", item.what, f"{item.undone.reason}", 1)
        yield Evidence("registry", item.source.value, item.source.reason, _SOURCE.get(item.source.value, 0))
        life = project.lifetimes.of_class(item.pins)
        cls = project.class_at(item.pins)
        ends = next((m for m in cls.methods if _ENDS.match(m)), "") if cls is not None else ""
        outlived = life.value == "long" and item.verb in FINAL and ends  # it ends, the registry does not
        yield Evidence("instance", life.value, life.reason, -1 if outlived else _INSTANCE.get(life.value, 0))
        context = project.contexts.of_function(item.path, item.call.func)
        weight = _CONTEXT.get(context.value, 0)
        if item.function.name in ("__init__", "__new__", "__post_init__"):
            guessed = context.reason.startswith("passed") or context.reason.endswith("is a coroutine")
            made = context.value in ("per-event", "likely-event") and not guessed
            weight = _CONSTRUCT.get(life.value, 0) + (1 if made else min(weight, 0))
        yield Evidence("context", context.value, context.reason, weight)
        if ("weak", "const:False") in item.call.keywords:
            yield Evidence("strong", "weak=False", "the signal is asked to hold it strongly", 3)
        if item.verb in FINAL:
            yield Evidence("no-undo", item.verb, f"what `{item.verb}` is given can never be taken out", 2)
        if item.replaces:
            yield Evidence("slot", "replaced", item.replaces, -5)
        if item.once:
            yield Evidence("once", "guarded", item.once, -4)
        if item.registry is not None and project.cleanup(item.registry).effective:
            yield Evidence("cleanup", "paired", project.cleanup(item.registry).reason, -3)
        if ends:
            yield Evidence("end-of-life", ends, f"`{ends}` ends the instance, but does not unregister", 1)
