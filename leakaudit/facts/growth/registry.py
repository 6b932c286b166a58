"""Is a container a registry of callables (handlers, listeners, hooks)?"""

from __future__ import annotations

import re

from leakaudit.facts.answers import words
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.model import Op
from leakaudit.facts.tables import LOCK_CALLS

_WORDS = frozenset(
    "handler handlers listener listeners callback callbacks cb cbs hook hooks observer observers subscriber subscribers "
    "subscription subscriptions receiver receivers watcher watchers callable callables finalizers".split()
)
_PARAMETERS = frozenset(
    "handler callback cb listener hook observer subscriber fn func function receiver callable_ coro watcher on_change".split()
)
_ANNOTATION = re.compile(r"\b(Callable|Callback|Handler|Listener|Hook|Observer|Coroutine)\w*\b|CALLBACK_TYPE")


def holds_callables(subject: Subject) -> bool:
    """Tell by annotation, by what is stored, or by name whether the container holds things to call back."""
    if _ANNOTATION.search(subject.container.annotation):
        return True
    if set(words(subject.name)) & _WORDS:
        return True
    return any(stores_callable(s.event.value_origins) for s in subject.events(Op.GROW))


def holds_locks(subject: Subject) -> bool:
    """Tell whether the container makes a lock, event or semaphore per key."""
    if subject.container.inner in LOCK_CALLS:
        return True
    makes = (
        tag.rpartition(".")[2].rpartition(":")[2]
        for s in subject.events(Op.GROW)
        for tag in s.event.value_origins
        if tag.startswith("new:")
    )
    return any(name in LOCK_CALLS for name in makes)


def stores_callable(origins: tuple[str, ...]) -> bool:
    """Tell whether stored origins are a lambda, a nested function or a parameter meant to be called."""
    direct = origins[:1]
    for tag in direct:
        if tag == "lambda" or tag.startswith("closure:"):
            return True
        if tag.startswith("param:"):
            _, name, annotation = tag.split(":", 2)
            if (
                name in _PARAMETERS
                or name.endswith(("_handler", "_callback", "_cb", "_listener", "_hook"))
                or _ANNOTATION.search(annotation)
            ):
                return True
    return False
