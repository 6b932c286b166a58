"""What was recorded of processes from outside, told again: one report for each process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leakaudit.findings.report import Report, RuntimeAudit
from leakaudit.runtime.vitals import series

MOST_PROCESSES = 12
METHOD = "recorded from outside"

Record = Mapping[str, Any]


def reports(records: Sequence[Record]) -> list[Report]:
    """Return a report for each process in the records of `leakaudit run` or `leakaudit monitor`, the largest first."""
    seen: dict[int, list[Record]] = {}
    for record in records:
        if record.get("record") == "process" or record.get("kind") == "sample":
            seen.setdefault(record["pid"], []).append(record)
    largest = sorted(seen.values(), key=lambda found: -max(item["rss"] for item in found))
    marks = [record for record in records if record.get("record") == "mark"]
    header = records[0] if records else {}
    return [Report("runtime", (), runtime=_audit(found, marks, header)) for found in largest[:MOST_PROCESSES]]


def _audit(found: Sequence[Record], marks: Iterable[Record], header: Record) -> RuntimeAudit:
    pid, name = found[-1]["pid"], found[-1]["name"]
    first, last = _time(found[0]), _time(found[-1])
    points = [{"t": _time(item), **_figures(item)} for item in found]
    return RuntimeAudit(
        pid=pid,
        python="",
        method=METHOD,
        duration_s=last - first,
        interval_s=(last - first) / max(1, len(found) - 1),
        samples=len(found),
        attach_pause_ms=0.0,
        largest_pause_ms=0.0,
        series=series(points),
        command=header["command"] if header.get("pid") == pid else name,
        host=header.get("host", ""),
        marks=tuple((mark["t"] - first, mark["text"]) for mark in marks if mark["pid"] == pid),
    )


def _time(record: Record) -> float:
    return float(record["t"] if "t" in record else record["time"])


def _figures(record: Record) -> dict[str, float]:
    figures = {"rss": record["rss"], "threads": record["threads"]}
    descriptors = record["descriptors"]
    return figures if descriptors is None else {**figures, "descriptors": sum(descriptors.values())}
