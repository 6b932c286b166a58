"""What the monitor saw as JSON Lines, schema `leakaudit/monitor/v1`: one object a line, written as it happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakaudit.process.budget import Overrun
    from leakaudit.process.monitor import Moment, Row, Sum
    from leakaudit.process.selection import Member
    from leakaudit.process.summary import Outcome

SCHEMA = "leakaudit/monitor/v1"

Record = dict[str, Any]


def line(record: Record) -> str:
    """Return a record as one line of JSON with its end."""
    return json.dumps(record, separators=(",", ":")) + "\n"


def start(time: float, every_s: float, version: str) -> Record:
    """Return the first record."""
    return {"kind": "start", "schema": SCHEMA, "version": version, "time": time, "every_s": every_s}


def moment(seen: Moment) -> Iterator[Record]:
    """Yield what came and went, one record for each process, group, cgroup, and one for all together."""
    for kind, members in (("came", seen.came), ("gone", seen.gone)):
        yield from (_member(kind, seen.time, member) for member in members)
    yield from (_process(row) for row in seen.rows)
    yield from (_sum("group", seen.time, group) for group in seen.groups)
    for cgroup in seen.cgroups:
        yield {
            "kind": "cgroup",
            "time": seen.time,
            "path": cgroup.path,
            "usage": cgroup.usage,
            "working_set": cgroup.working_set,
            "limit": cgroup.limit,
        }
    if seen.rows:
        yield _sum("total", seen.time, seen.total)


def outcome(found: Outcome) -> Record:
    """Return the end of one series."""
    trend, coming = found.trend, found.forecast
    return {
        "kind": "trend",
        "name": found.name,
        "pid": found.pid,
        "ended": found.ended,
        "what": found.what,
        "unit": found.unit,
        "first": found.first,
        "last": found.last,
        "largest": found.largest,
        "trend": trend.shape.value,
        "per_s": trend.rate.per_s,
        "per_s_interval": [trend.rate.low, trend.rate.high],
        "reason": trend.reason,
        "samples": trend.samples,
        "span_s": trend.span_s,
        "needs_s": trend.needs_s,
        "forecast": None
        if coming is None
        else {
            "limit": found.limit,
            "at": coming.limit,
            "expected_s": coming.expected_s,
            "soonest_s": coming.soonest_s,
            "latest_s": coming.latest_s,
        },
    }


def overrun(found: Overrun) -> Record:
    """Return a budget that was exceeded."""
    return {
        "kind": "over-budget",
        "budget": found.budget.text,
        "limit": found.budget.limit,
        "who": found.who or None,
        "since": found.since,
        "largest": found.largest,
    }


def _member(kind: str, time: float, member: Member) -> Record:
    return {
        "kind": kind,
        "time": time,
        "pid": member.pid,
        "started": member.started,
        "name": member.label,
        "group": member.group,
        "command": list(member.command),
    }


def _process(row: Row) -> Record:
    sample, details = row.sample, row.sample.details
    private, fds, queues = details.private, details.descriptors, details.send_queues
    return {
        "kind": "sample",
        "time": sample.time,
        "pid": sample.pid,
        "name": row.member.label,
        "group": row.member.group,
        "rss": sample.rss,
        "change": row.change,
        "cpu": row.cpu,
        "threads": sample.threads,
        "children": sample.children,
        "zombies": sample.zombies,
        "details_time": details.time,
        "private": None
        if private is None
        else {"uss": private.uss, "pss": private.pss, "swap": private.swap},
        "descriptors": None
        if fds is None
        else {"sockets": fds.sockets, "files": fds.files, "pipes": fds.pipes, "other": fds.other},
        "send_queues": None if queues is None else {"bytes": queues.bytes, "full": queues.full},
        "logs": None
        if details.logs is None
        else [{"path": log.path, "size": log.size, "deleted": log.deleted} for log in details.logs],
    }


def _sum(kind: str, time: float, total: Sum) -> Record:
    return {
        "kind": kind,
        "time": time,
        "name": total.name,
        "processes": total.count,
        "rss": total.rss,
        "change": total.change,
        "pss": total.pss,
        "threads": total.threads,
    }
