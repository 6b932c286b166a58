"""What one process looks like from outside at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stat:
    """The figures that cost one small read. `rss` in bytes, `cpu_s` user + system, `started` in Unix seconds."""

    pid: int
    parent: int
    name: str
    state: str
    started: float
    cpu_s: float
    threads: int
    rss: int

    @property
    def is_zombie(self) -> bool:
        """Whether the process has ended and waits to be reaped."""
        return self.state in ("Z", "X")


@dataclass(frozen=True, slots=True)
class Private:
    """Memory counted exactly, in bytes: not shared with others, its fair share of the shared, and swapped out."""

    uss: int
    pss: int
    swap: int


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Open descriptors by kind."""

    sockets: int = 0
    files: int = 0
    pipes: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        """All open descriptors."""
        return self.sockets + self.files + self.pipes + self.other


@dataclass(frozen=True, slots=True)
class SendQueues:
    """Bytes that TCP peers have not yet taken, and how many sockets a peer no longer drains at all."""

    bytes: int = 0
    full: int = 0


@dataclass(frozen=True, slots=True)
class OpenLog:
    """A log file that the process holds open, with its size in bytes. `deleted`: the name is gone, the space is not."""

    path: str
    size: int
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class CgroupMemory:
    """Memory of the process's cgroup in bytes. `working_set` leaves out page cache that the kernel may drop at once."""

    path: str
    usage: int
    working_set: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Details:
    """The figures that cost more, read at `time` (Unix seconds). None where reading was denied."""

    time: float
    private: Private | None = None
    descriptors: Descriptors | None = None
    send_queues: SendQueues | None = None
    logs: tuple[OpenLog, ...] | None = None
    cgroup: CgroupMemory | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at `time` (Unix seconds). `details` may be older than `time`: see `Details.time`."""

    time: float
    stat: Stat
    children: int
    zombies: int
    details: Details

    @property
    def pid(self) -> int:
        """The process id."""
        return self.stat.pid

    @property
    def rss(self) -> int:
        """Resident bytes."""
        return self.stat.rss

    @property
    def threads(self) -> int:
        """Number of threads."""
        return self.stat.threads
