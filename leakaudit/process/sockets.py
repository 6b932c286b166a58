"""What waits in the send queues of TCP sockets, from /proc/PID/net/tcp.

Fields as in Linux' Documentation/networking/proc_net_tcp: the queue lengths are hexadecimal, timer 4 is the
zero window probe, which runs only while a peer takes nothing more.
"""

# ruff: noqa: PTH115 (read for many processes every second: a Path for each costs more than the call)

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from leakaudit.process import procfs
from leakaudit.process.sample import SendQueues

ZERO_WINDOW_PROBE = b"04"
FULL_BYTES = 256 * 1024  # a queue this long is not in flight on any ordinary path; its peer is behind


def network(pid: int) -> str | None:
    """Return the network namespace that a process lives in, None if that is denied."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def queued(pid: int) -> dict[int, SendQueues] | None:
    """Return socket inode -> what waits there, for all sockets in the process's network with a non-empty queue."""
    tables = [procfs.read(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6")]
    if tables == [None, None]:
        return None
    found: dict[int, SendQueues] = {}
    for table in tables:
        for line in (table or b"").splitlines()[1:]:
            fields = line.split(None, 10)
            waiting = fields[4].partition(b":")[0]
            if waiting == b"00000000" or fields[3] == b"0A":  # 0A listens: its queue is the backlog
                continue
            size = int(waiting, 16)
            full = fields[5].startswith(ZERO_WINDOW_PROBE) or size >= FULL_BYTES
            found[int(fields[9])] = SendQueues(bytes=size, full=int(full))
    return found


def of(inodes: Iterable[int], queues: Mapping[int, SendQueues]) -> SendQueues:
    """Sum the queues of one process's sockets."""
    mine = [queues[inode] for inode in inodes if inode in queues]
    return SendQueues(bytes=sum(q.bytes for q in mine), full=sum(q.full for q in mine))
