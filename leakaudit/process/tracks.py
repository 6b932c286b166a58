"""What is followed of a process over time."""

from __future__ import annotations

from collections.abc import Callable

from leakaudit.process.sample import Sample
from leakaudit.process.selection import Member
from leakaudit.process.series import Series

BYTES = "bytes"
COUNT = "count"
RSS = "RSS"


def _descriptors(sample: Sample) -> float | None:
    found = sample.details.descriptors
    return None if found is None else found.total


def _unsent(sample: Sample) -> float | None:
    found = sample.details.send_queues
    return None if found is None else found.bytes


def _logs(sample: Sample) -> float | None:
    found = sample.details.logs
    return None if found is None else sum(log.size for log in found)


#: What is followed over time: name -> unit, and how to read it from a sample (None: not known).
FIGURES: dict[str, tuple[str, Callable[[Sample], float | None]]] = {
    RSS: (BYTES, lambda sample: sample.rss),
    "threads": (COUNT, lambda sample: sample.threads),
    "descriptors": (COUNT, _descriptors),
    "children": (COUNT, lambda sample: sample.children),
    "send queues": (BYTES, _unsent),
    "open logs": (BYTES, _logs),
}


class Tracks:
    """The series of one process, by figure."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.series: dict[str, Series] = {}

    @property
    def samples(self) -> int:
        """How often the process was seen."""
        return self.series[RSS].samples if self.series else 0

    def add(self, sample: Sample) -> None:
        """Take one sample."""
        for name, (_, figure) in FIGURES.items():
            value = figure(sample)
            if value is not None:
                self.series.setdefault(name, Series()).append(sample.time, value)
