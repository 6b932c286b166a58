"""LA104: a lock per key, kept for ever."""

from __future__ import annotations

from leakaudit.facts.growth.judge import Growth
from leakaudit.facts.growth.registry import holds_locks
from leakaudit.facts.linking.linked import Subject
from leakaudit.facts.project import Project
from leakaudit.scan.container_rule import ContainerRule, span


class PerKeyLockMap(ContainerRule):
    """A dict holds one lock, event or semaphore per key, and no key is ever taken out.

    ## What it does

    Flags a long-lived dict whose values are locks, semaphores, events or conditions made per key, where keys are new each
    time and nothing removes them.

    ## Why it leaks

    A lock that nobody waits for any more stays under its key. It is hard to remove safely, since another waiter may just
    have fetched it, so it is usually never removed.

    ## Example

        import asyncio
        from collections import defaultdict

        _locks = defaultdict(asyncio.Lock)

        async def handle_request(request):
            async with _locks[request.user_id]:
                return await request.work()

    ## Use instead

        import asyncio
        import weakref

        _locks = weakref.WeakValueDictionary()

        async def handle_request(request):
            lock = _locks.setdefault(request.user_id, asyncio.Lock())
            async with lock:
                return await request.work()

    ## What we do not flag

    Locks per member of a finite set; locks held weakly, or removed when the last waiter leaves.

    ## References

    - https://docs.python.org/3/library/weakref.html#weakref.WeakValueDictionary
    """

    code = "LA104"
    name = "per-key-lock-map"
    object_types = ("dict", "_thread.lock", "asyncio.locks.Lock")
    kinds = ("dict", "defaultdict")

    def takes(self, project: Project, subject: Subject, growth: Growth) -> bool:
        """Take the maps whose values are locks."""
        return holds_locks(subject)

    def message(self, growth: Growth) -> str:
        """Name the map and its key."""
        return f"`{growth.subject.name}` keeps one lock per `{growth.site.event.key}` {span(growth)}"

    def remedies(self, growth: Growth) -> tuple[str, ...]:
        """Weak values, or striping."""
        return (
            "keep the locks in a `weakref.WeakValueDictionary` and hold the lock in a local while it is used",
            "or share a fixed number of locks: `locks[hash(key) % N]`",
        )
