"""Timers that an object keeps, and that the methods which end it leave running."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from leakaudit.facts.answers import words
from leakaudit.facts.holders.endings import ends, methods_of, reaches
from leakaudit.facts.holders.links import is_own_method
from leakaudit.facts.linking.linked import Place
from leakaudit.facts.model import Call, Flag, Function

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

_ONE_SHOT = frozenset(
    "call_later call_at callLater add_timeout Timer set_timeout after async_call_later".split()
)
_RECURRING = frozenset(
    "PeriodicCallback LoopingCall set_interval add_periodic_callback RepeatedTimer async_track_time_interval".split()
)
_ENDING_WORDS = frozenset(
    "close closed stop stopped shutdown reset unload remove cleanup lost exit disconnect disconnected teardown end ended finish finished cancel del".split()
)
_STOPS = frozenset("cancel stop close remove dispose shutdown unsubscribe kill end".split())


@dataclass(frozen=True, slots=True)
class Timer:
    """`call` starts a timer that holds the instance of `cls`, kept as `attribute`; `ending` ends the instance and not the timer.

    `stopped_by` is another method that stops the timer, `stops` what else the ending stops; "" where there is none.
    """

    path: str
    cls: Place
    attribute: str
    call: Call
    ending: Function
    ending_path: str
    stopped_by: str
    stops: str
    recurring: bool
    endless: bool = False  # nothing that it tests could stop it


def timers(project: Project) -> Iterator[Timer]:
    """Yield the timers that no ending of their object stops; one for each attribute."""
    finder = _Finder(project)
    for path, facts in project.files.items():
        seen: set[str] = set()
        for call in facts.calls:
            usage = call.usage
            again = finder.again(path, call) if usage in ("drop", "receiver") else None
            if again is not None and again.attribute not in seen:
                seen.add(again.attribute)
                yield again
            verb = call.callee.replace(":", ".").rpartition(".")[2]
            if (
                not usage.startswith("store:i:")
                or "[]" in usage
                or verb not in _ONE_SHOT | _RECURRING
                or usage in seen
            ):
                continue
            cls, _, attribute = usage[8:].rpartition(".")
            if call.func < 0 or not finder.pins(path, call):
                continue
            seen.add(usage)
            found = finder.judge(path, Place(path, cls), attribute, call, verb in _RECURRING)
            if found is not None:
                yield found


class _Finder:
    def __init__(self, project: Project) -> None:
        self._project = project

    def pins(self, path: str, call: Call) -> bool:
        """The timer is given a method of the instance, or a closure over it."""
        for argument in (*call.args, *(value for _, value in call.keywords)):
            if is_own_method(self._project, path, argument.partition("|")[0]):
                return True
            tag = argument.partition("|")[0]
            if tag.startswith("closure:"):
                index = self._project.function_named(path, tag[8:])
                closure = self._project.function(path, index) if index is not None else None
                if closure is not None and "self" in closure.captures:
                    return True
        return False

    def again(self, path: str, call: Call) -> Timer | None:
        """A method that has itself called again, whatever happens: `loop.call_later(1, self.tick)` in `tick`."""
        verb = call.callee.replace(":", ".").rpartition(".")[2]
        function = self._project.function(path, call.func)
        if verb not in _ONE_SHOT or function is None or not function.cls or call.guards or function.exits:
            return None
        own = f"bound:i:{function.cls}.{function.name}"
        if call.flags & (Flag.COND | Flag.EXCEPT | Flag.LOOP | Flag.ELSE_EXIT) or own not in {
            argument.partition("|")[0] for argument in (*call.args, *(value for _, value in call.keywords))
        }:
            return None
        cls = Place(path, function.cls)
        ending = next((m for name, m in methods_of(self._project, cls).items() if ends(name)), None)
        if ending is None:
            return None
        return Timer(path, cls, function.name, call, ending[1], ending[0], "", "", True, endless=True)

    def judge(self, path: str, cls: Place, attribute: str, call: Call, recurring: bool) -> Timer | None:
        if attribute in self._stopped_at_end:
            return None
        methods = methods_of(self._project, cls)
        endings = [(at, f) for name, (at, f) in methods.items() if ends(name)]
        stoppers = {name for name, (_, f) in methods.items() if self._stops(f, attribute)}
        if any(_ENDING_WORDS & {*words(name)} for name in stoppers):
            return None  # who calls that, and when, is another question
        if not endings or any(reaches(methods, f.name, stoppers) for _, f in endings):
            return None
        at, ending = next(((at, f) for at, f in endings if self._others(f, attribute)), endings[0])
        stopped_by = next(iter(sorted(stoppers)), "")
        return Timer(
            path, cls, attribute, call, ending, at, stopped_by, self._others(ending, attribute), recurring
        )

    def _stops(self, function: Function, attribute: str) -> bool:
        """It calls `self.attribute.cancel()`, or the handle itself, or hands it on: `loop.remove_timeout(self.attribute)`."""
        return any(_stopped(name) == attribute for name in function.calls) or any(
            name.startswith("i:") and name.rpartition(".")[2] == attribute
            for name in (*function.calls, *function.refs)
        )

    def _others(self, ending: Function, attribute: str) -> str:
        return next(
            (
                a
                for name in ending.calls
                if name.startswith("i:") and (a := _stopped(name)) not in ("", attribute)
            ),
            "",
        )

    @cached_property
    def _stopped_at_end(self) -> set[str]:
        """The attributes that a method named like an ending stops, anywhere."""
        return {
            stopped
            for facts in self._project.files.values()
            for function in facts.functions
            if ends(function.name)
            for name in function.calls
            if (stopped := _stopped(name))
        }


def _stopped(name: str) -> str:
    """The attribute that an owner-style callee stops, or ""."""
    owner, _, verb = name.rpartition(".")
    return owner.rpartition(".")[2] if verb in _STOPS and "." in owner else ""
