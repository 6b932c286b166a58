"""One callable that is registered and whose handle is dropped."""

from __future__ import annotations

import re
from dataclasses import dataclass

from leakaudit.facts.answers import Answer
from leakaudit.facts.holders.subscribing import EVENTS, ONCE, SLOT
from leakaudit.facts.linking.linked import Place, Subject
from leakaudit.facts.model import Call, Function


@dataclass(frozen=True, slots=True)
class Subscription:
    """`call` in function `function` registers a callable. `pins` is the class whose instance it keeps, or None.

    `source` answers how the registry relates to the instance: global, passed-in, lasting (by its name), argument (of the
    method), short, own, self, unknown. `undone` is yes or no.
    """

    path: str
    call: Call
    function: Function
    owner: Place | None
    what: str
    pins: Place | None
    source: Answer
    registry: Subject | None
    undone: Answer
    captures: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()  # calls of the functions around it that wait

    @property
    def verb(self) -> str:
        """The bare name of the registering call."""
        return last(self.call.callee)

    @property
    def awaited(self) -> str:
        """What the closure captured and the function around it waits for: then it is of no use any more. Or ""."""
        waited = (name.rpartition(".")[0].rpartition(".")[2].rpartition(":")[2] for name in self.waits)
        return next((name for name in waited if name in self.captures), "")

    @property
    def replaces(self) -> str:
        """Why a later registration takes the place of this one, or ""."""
        keyed = any(a.startswith(("const:", "global:", "attr:", "class:")) for a in self.call.args[:1])
        if any(name == "dispatch_uid" for name, _ in self.call.keywords):
            return "its `dispatch_uid` is registered once"
        if self.verb.startswith("set_"):
            return f"`{self.verb}` replaces the one before"
        if keyed and SLOT.match(self.verb) and not EVENTS.search(self.verb):
            return f"`{self.verb}` keeps one for each name"
        return ""

    @property
    def once(self) -> str:
        """Why it is registered or called no more than once, or ""."""
        if re.search(r"(^|_)(once|shutdown|stop|exit|quit|close)(_|$)", self.verb):
            return f"`{self.verb}` is called once, at the end"
        guard = next((g for g in self.call.guards if ONCE.search(g)), "")
        return f"guarded by `{guard}`" if guard else ""


def last(callee: str) -> str:
    """Return the bare name of a callee."""
    return callee.replace(":", ".").rpartition(".")[2]
