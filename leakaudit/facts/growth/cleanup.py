"""What takes entries out again, and does it help? A grade, not a boolean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakaudit.facts.answers import words
from leakaudit.facts.growth.missed_removals import WRONG_KEY, missed, wrong_key
from leakaudit.facts.linking.linked import Seen, Subject
from leakaudit.facts.model import Event, Flag, Op

if TYPE_CHECKING:
    from leakaudit.facts.project import Project

#: The other grades that leave the container growing, and the two that silence a rule.
NONE, UNCALLED, CLEAR_ONLY, SAME_KEY, INNER, BY_NAME, PAIRED, BOUND = (
    "none",
    "uncalled",
    "clear-only",
    "same-key",
    "inner-only",
    "by-name",
    "paired",
    "bound",
)
_TEARDOWN = re.compile(
    r"^_*(close|aclose|shutdown|stop|destroy|dispose|teardown|tear_down|terminate|exit|finalize|finish_all|cleanup_all|clear|clear_all|clear_cache|clear_caches|reset|reset_all|"
    r"flush_all|__exit__|__aexit__|__del__|stopService|async_shutdown|on_shutdown|async_stop|disconnect_all|cancel_all|stop_all|unload|async_unload_entry|__setstate__|"
    r"reset_\w+|cancel_all\w*|clear_all\w*|shutdown_\w+|\w+_all|(remove|delete|close|release|unregister|disconnect|stop)_all_\w+|"
    r"release_all|kill|quit|close_all|cancel|del|exit|aexit)_*$"
)
_LEAVING = frozenset({"__exit__", "__aexit__"})
_ONE = frozenset({"pop", "popleft", "popitem", "remove"})
_ASKED = re.compile(
    r"^(a|async_|_)*(delete|remove|clear|invalidate|unset|flush|__delitem__|pop|discard)(_\w+)?$"
)
#: Functions that make an owner's containers once; a container made elsewhere is made again and again.
_MAKING = re.compile(
    r"^_*(__\w+__|init|setup|set_up|start|open|connect|configure|create|build|prepare|load|run|main|serve|on_start|async_setup|async_added|async_init|register|install|enable|initialize|makeConnection)"
)
#: Names of keys that say nothing of what they name.
_ANY_KEY = frozenset({"id", "key", "name", "k", "i", "x", "item"})
#: Words in the names of what only holds an entry until it is settled: that it leaves there says nothing.
_WAITING = frozenset({"pending", "progress", "inflight", "incoming", "temporary", "tmp"})
_LAZY_READ = re.compile(
    r"^_*(get|__getitem__|lookup|fetch|read|load|peek|__contains__|is_\w+|has|check|find|exists)(_|$)"
)


@dataclass(frozen=True, slots=True)
class Cleanup:
    """The grade, why, and the removals that it was judged by."""

    grade: str
    reason: str
    removals: tuple[Seen, ...] = ()

    @property
    def effective(self) -> bool:
        """Whether entries really go away, so that no rule should speak."""
        return self.grade in (PAIRED, BOUND)


def grade(project: Project, subject: Subject) -> Cleanup:
    """Grade what is done to keep a container small."""
    container = subject.container
    if container.bound:
        return Cleanup(BOUND, container.bound)
    if container.weak:
        return Cleanup(BOUND, "holds its entries weakly")
    removals = [
        s for s in subject.events(Op.SHRINK, Op.CLEAR, Op.TRIM, Op.REBIND) if _is_removal(project, subject, s)
    ]
    removals = [s for s in removals if not _is_constant_key(subject, s)]
    maker = project.function(subject.path, container.func)
    lazily = any(
        s.event.line == container.line and _is_first_time(subject, s) for s in subject.events(Op.REBIND)
    )
    if subject.scope == "i" and maker is not None and not _MAKING.match(maker.name) and not lazily:
        return Cleanup(PAIRED, f"it is made anew whenever `{maker.name}` runs")
    sure = [s for s in removals if s.sure]
    helper = project.handed_to_removers.get((subject.path, subject.name)) if subject.scope == "i" else None
    if helper is not None:
        return Cleanup(PAIRED, f"`{helper}` is given it, to take entries out", tuple(removals))
    if not removals:
        return Cleanup(NONE, _nothing_reason(project, subject))
    direct = [s for s in sure if s.event.depth == 0]
    if not direct:
        if sure:
            return Cleanup(
                INNER,
                "only what one entry holds is trimmed; the entries themselves are never removed",
                tuple(sure),
            )
        return Cleanup(
            BY_NAME, f"another object's `{subject.name}` is cleaned; it may be this one", tuple(removals)
        )
    keyed = [
        s for s in direct if s.event.op is Op.SHRINK and s.event.key and not s.event.flags & Flag.CALLBACK
    ]
    wrong = wrong_key(subject, keyed)
    if wrong:
        return Cleanup(WRONG_KEY, wrong, tuple(keyed))
    if _size_guard(subject):
        return Cleanup(BOUND, "its length is compared with a limit and entries are removed", tuple(direct))
    partial = [s for s in direct if not _is_teardown(project, s)]
    if not partial and any(_is_routine(project, s) for s in direct):
        return Cleanup(PAIRED, "emptied by what runs again and again", tuple(direct))
    if not partial and subject.scope == "c" and any(s.event.owner.startswith("i:") for s in direct):
        return Cleanup(PAIRED, "emptied whenever an instance ends", tuple(direct))
    if not partial:
        return Cleanup(CLEAR_ONLY, _clear_reason(project, direct[0]), tuple(direct))
    grown = {(s.path, s.event.func) for s in subject.events(Op.GROW)}
    called = [s for s in partial if (s.path, s.event.func) in grown or not _is_uncalled(project, s)]
    if not called and all(_is_uncalled(project, s) for s in subject.events(Op.GROW)):
        called = partial  # whoever calls the one from outside the project calls the other, too
    if not called:
        function = project.function(partial[0].path, partial[0].event.func)
        return Cleanup(
            UNCALLED,
            f"`{function.name if function else '?'}` removes entries, but nothing in the project calls it",
            tuple(partial),
        )
    lazy = [s for s in called if _is_lazy(project, s)]
    if lazy and all(s in lazy or _is_asked_for(project, s) for s in called):
        return Cleanup(SAME_KEY, "entries go only when the very same key is asked for again", tuple(called))
    round_them = missed(project, subject, direct, partial, called)
    if round_them is not None:
        return Cleanup(*round_them, tuple(called))
    return Cleanup(PAIRED, "entries are removed again", tuple(called))


def sibling(project: Project, subject: Subject, key: str) -> Seen | None:
    """Return the removal of the same key from a container beside this one, if there is one."""
    if not key or key in _ANY_KEY:
        return None
    for seen in project.removals_by_key.get((subject.path, subject.scope, subject.cls, key), ()):
        other = seen.event.owner.rpartition(".")[2]
        if other != subject.name and not _WAITING & set(words(other)):
            return seen
    return None


def evicted_sibling(project: Project, subject: Subject, key: str) -> Subject | None:
    """Return a container beside this one that gains the same key and is kept under a limit, if there is one."""
    if not key or subject.scope not in "im":
        return None
    for other in project.gaining.get((subject.path, subject.scope, subject.cls, key), ()):
        if other is not subject and project.cleanup(other).grade == BOUND and project.cleanup(other).removals:
            return other
    return None


def paired_sibling(project: Project, subject: Subject, seen: Seen) -> Subject | None:
    """Return a container beside this one that gains the same key in the same function, and whose entries go one by one."""
    key = seen.event.key
    if not key or key in _ANY_KEY or subject.scope not in "im":
        return None
    for other in project.gaining.get((subject.path, subject.scope, subject.cls, key), ()):
        together = any(
            s.event.func == seen.event.func and s.event.key == key and not s.event.depth
            for s in other.events(Op.GROW)
        )
        waits = _WAITING & set(words(other.name))
        if together and not waits and other is not subject and project.cleanup(other).grade == PAIRED:
            removals = project.cleanup(other).removals
            if any(s.event.op is Op.SHRINK and s.event.key and not s.event.depth for s in removals):
                return other
    return None


def _is_constant_key(subject: Subject, seen: Seen) -> bool:
    """`pop("tick", None)` keeps one constant entry small, not the container."""
    event = seen.event
    return (
        event.op is Op.SHRINK
        and subject.container.kind in ("dict", "defaultdict", "counter")
        and bool(event.key_origins)
        and all(t.startswith("const:") for t in event.key_origins)
        and event.depth == 0
    )


def _is_removal(project: Project, subject: Subject, seen: Seen) -> bool:
    event = seen.event
    if event.op is not Op.REBIND:
        return True
    if event.depth or (event.line == subject.container.line and seen.path == subject.path):
        return False
    function = project.function(seen.path, event.func)
    if function is None:
        return False
    if (
        function.name in ("__init__", "__new__", "__post_init__", "__setstate__", "__attrs_post_init__")
        and subject.scope == "i"
    ):
        return False
    if _is_first_time(subject, seen):
        return False
    return event.value != "None" or "None" not in subject.container.text


def _is_first_time(subject: Subject, seen: Seen) -> bool:
    """Whether the name is bound because it is not yet: `if self._cache is None: self._cache = {}`."""
    name = re.escape(subject.name)
    unbound = re.compile(
        rf"^(not )?[\w.]*\b{name}( is None)?$|hasattr\(\w+, ['\"]{name}['\"]\)|['\"]{name}['\"] not in "
    )
    return any(
        unbound.search(guard)
        and (guard.startswith("not ") or guard.endswith(" is None") or " not in " in guard)
        for guard in seen.event.guards
    )


def _is_teardown(project: Project, seen: Seen) -> bool:
    """Whether it runs when the owner ends, as its function's name says; `reset_x` counts only if it empties all."""
    if seen.event.flags & Flag.CALLBACK:
        return False  # passed along to run whenever the entry is done
    if (
        seen.event.op is Op.SHRINK
        and seen.event.method in ("pop", "del", "remove", "discard")
        and seen.event.key
        and (not seen.event.flags & Flag.LOOP or _is_told(seen.event))
    ):
        return False
    function = project.function(seen.path, seen.event.func)
    if function is not None and function.name in _LEAVING and _takes_one(seen.event):
        return False  # a stack: `__enter__` pushes, `__exit__` pops
    while function is not None:
        if _TEARDOWN.match(function.name):
            return True
        function = project.function(seen.path, function.parent)
    return False


def _is_told(event: Event) -> bool:
    """Whether a loop takes out what something else names, and not all that there is."""
    name = event.owner.rpartition(".")[2].rpartition(":")[2]
    looped = [tag for tag in event.key_origins if tag.startswith("loop:")]
    return bool(looped) and not any(re.search(rf"\b{re.escape(name)}\b", tag) for tag in looped)


def _is_routine(project: Project, seen: Seen) -> bool:
    """Whether what empties it all at once is called from a loop without end: that is no end of its owner."""
    callers = project.callers.of(seen.path, seen.event.func)
    return any(caller.looped for caller in callers)


def _takes_one(event: Event) -> bool:
    return event.op is Op.SHRINK and event.method in _ONE and not event.flags & Flag.LOOP


def _is_uncalled(project: Project, seen: Seen) -> bool:
    """A private function that no code of the project calls or passes along."""
    function = project.function(seen.path, seen.event.func)
    if (
        function is None
        or not function.name.startswith("_")
        or function.name.startswith("__")
        or function.decorators
    ):
        return False
    return function.parent < 0 and not project.is_named(function.name)


def _is_lazy(project: Project, seen: Seen) -> bool:
    event = seen.event
    function = project.function(seen.path, event.func)
    if (
        function is None
        or not _LAZY_READ.match(function.name)
        or event.flags & (Flag.LOOP | Flag.FINALLY)
        or event.op is not Op.SHRINK
    ):
        return False
    return event.method in ("pop", "del", "__delitem__", "discard") and any(
        t.startswith("param:") for t in event.key_origins
    )


def _size_guard(subject: Subject) -> bool:
    return any(s.event.depth == 0 for s in subject.events(Op.MEASURE)) and any(
        s.event.depth == 0 for s in subject.events(Op.SHRINK, Op.TRIM, Op.CLEAR, Op.REBIND)
    )


def _is_asked_for(project: Project, seen: Seen) -> bool:
    """A removal that the container's user may or may not ask for: `delete(key)`, `clear()`."""
    function = project.function(seen.path, seen.event.func)
    if function is None or seen.event.flags & Flag.LOOP or not _ASKED.match(function.name):
        return False
    return seen.event.op is Op.CLEAR or any(t.startswith("param:") for t in seen.event.key_origins)


def _nothing_reason(project: Project, subject: Subject) -> str:
    count = len(project.files)
    files = f"{count} scanned file{'s' if count > 1 else ''}"
    return f"no `pop`, `del`, `clear`, size check or re-assignment of `{subject.name}` in {files}"


def _clear_reason(project: Project, seen: Seen) -> str:
    function = project.function(seen.path, seen.event.func)
    return f"only `{function.name if function else 'module code'}` empties it, all at once"
