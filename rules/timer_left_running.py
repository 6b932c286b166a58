"""LA207: an object ends, but a timer that it started still holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from leakaudit.facts.holders.timers import Timer, timers
from leakaudit.findings import Confidence, Evidence, Location, Probe, ProbeKind, Related
from leakaudit.scan.rule import Rule, Suspect

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_LIFETIME = {"process": -3, "long": -1, "likely-long": -2, "short": 1, "keyed": 1, "likely-short": 1}


class TimerLeftRunning(Rule):
    """A timer holds a method of its object, and the method that ends the object does not stop it.

    ## What it does

    Flags timers and periodic callbacks (`call_later`, `PeriodicCallback`, `Timer`, `LoopingCall`, ...) that an object keeps
    as an attribute and that call one of its own methods, when the object's `close`, `stop` or `connection_lost` leaves the
    timer alone, though another method stops it, or though it stops other things of the object; and methods that have
    themselves called again and again, whether or not the object has ended.

    ## Why it leaks

    The loop holds the timer, the timer the bound method, and the method the object with its buffers and sockets: until the
    timer fires, or for good where it repeats. With many short connections that is most of them.

    ## Example

        class Connection:
            def __init__(self, loop):
                self.loop = loop
                self.timer = None
                self.transport = None

            def data_received(self, data):
                if self.timer is not None:
                    self.timer.cancel()
                self.timer = self.loop.call_later(60, self.expire)

            def expire(self):
                self.transport.close()

            def connection_lost(self, error):
                self.transport.abort()

    ## Use instead

        class Connection:
            def __init__(self, loop):
                self.loop = loop
                self.timer = None
                self.transport = None

            def data_received(self, data):
                if self.timer is not None:
                    self.timer.cancel()
                self.timer = self.loop.call_later(60, self.expire)

            def expire(self):
                self.transport.close()

            def connection_lost(self, error):
                if self.timer is not None:
                    self.timer.cancel()
                self.transport.abort()

    ## What we do not flag

    Timers that any of the ending methods stops, itself or through a method that it calls, or hands to something else;
    objects without a method that ends them; objects that live as long as the process.

    ## References

    - https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.TimerHandle
    """

    code = "LA207"
    name = "timer-left-running"
    object_types = ("asyncio.TimerHandle", "method")

    def suspects(self, project: Project) -> Iterator[Suspect]:
        """Yield the timers that outlast their object."""
        for timer in timers(project):
            yield self._suspect(project, timer)

    def _suspect(self, project: Project, timer: Timer) -> Suspect:
        call, ending = timer.call, timer.ending
        module, kind = project.module_name(timer.path), timer.cls.name.rpartition(".")[2]
        until = "for good" if timer.recurring else "until it fires"
        return Suspect(
            location=Location(timer.path, call.line, call.column, call.end_line, call.end_column),
            symbol=f"{module}.{timer.cls.name}.{timer.attribute}",
            message=f"`{ending.name}` ends the `{kind}`, but not its timer `{timer.attribute}`, which holds it {until}",
            evidence=tuple(self._evidence(project, timer)),
            related=(
                Related(
                    Location(timer.ending_path, ending.line, ending.column),
                    f"`{ending.name}` leaves it running",
                ),
            ),
            help=(f"stop `{timer.attribute}` in `{ending.name}`, and set it to None",),
            probe=Probe(
                ProbeKind.TYPE_COUNT, module, timer.path, timer.cls.name, "", (f"{module}.{timer.cls.name}",)
            ),
            cap=Confidence.MEDIUM,
        )

    def _evidence(self, project: Project, timer: Timer) -> Iterator[Evidence]:
        yield Evidence("timer", timer.attribute, "the timer holds a method of the instance", 1)
        if timer.endless:
            yield Evidence("endless", "yes", "it starts itself again, and tests nothing before", 2)
        if timer.recurring:
            yield Evidence("recurring", "yes", "it fires again and again until it is stopped", 1)
        if timer.stopped_by:
            yield Evidence(
                "sibling", timer.stopped_by, f"`{timer.stopped_by}` stops it, so it may have to be stopped", 2
            )
        if timer.stops:
            why = f"`{timer.ending.name}` stops `{timer.stops}`, and not this"
            yield Evidence("cleanup", timer.stops, why, 1)
        life = project.lifetimes.of_class(timer.cls)
        yield Evidence("lifetime", life.value, life.reason, _LIFETIME.get(life.value, 0))
