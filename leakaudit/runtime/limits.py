"""The limits of memory that a target is heading for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from leakaudit.process import cgroup

if TYPE_CHECKING:
    from leakaudit.runtime.session import Session


def note_limits(
    session: Session, pid: int, budget: tuple[str, float] | None, figures: Mapping[str, Any] | None
) -> None:
    """Write the budget and the limit of the cgroup into the session, with what is used of each."""
    limits = []
    if budget and figures:
        name, size = budget
        limits.append({"name": name, "bytes": size, "used": figures["rss"]})
    group = cgroup.memory(pid)
    if group is not None and group.limit is not None:
        limits.append({"name": "its cgroup's limit", "bytes": group.limit, "used": group.working_set})
    if limits:
        session.add("limits", limits=limits)
