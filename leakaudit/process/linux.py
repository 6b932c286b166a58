"""Read processes through /proc, sharing what several of them have in common."""

from __future__ import annotations

import time
from collections.abc import Iterable

from leakaudit.process import cgroup, procfs, sockets
from leakaudit.process.sample import CgroupMemory, Details, SendQueues, Stat


class ProcReader:
    """The reader for Linux."""

    def stat(self, pid: int) -> Stat | None:
        """Return the cheap figures of one process, None if it is gone."""
        return procfs.stat(pid)

    def table(self) -> dict[int, Stat]:
        """Return the cheap figures of every process that can be seen."""
        return {pid: stat for pid in procfs.pids() if (stat := procfs.stat(pid))}

    def command(self, pid: int) -> tuple[str, ...]:
        """Return the command line, empty where there is none."""
        return procfs.command(pid)

    def details(self, pids: Iterable[int]) -> dict[int, Details]:
        """Return the costlier figures; a network's sockets and a cgroup are read once for all that share them."""
        networks: dict[str | None, dict[int, SendQueues] | None] = {}
        groups: dict[bytes, CgroupMemory | None] = {}
        return {pid: _details(pid, networks, groups) for pid in pids}


def _details(
    pid: int,
    networks: dict[str | None, dict[int, SendQueues] | None],
    groups: dict[bytes, CgroupMemory | None],
) -> Details:
    links = procfs.links(pid)
    inodes = procfs.socket_inodes(links or ())
    queues: SendQueues | None = None
    if links is not None:
        network = sockets.network(pid)
        if inodes and network not in networks:
            networks[network] = sockets.queued(pid)
        known = networks.get(network, {})
        queues = None if known is None else sockets.of(inodes, known)
    membership = procfs.read(f"/proc/{pid}/cgroup") or b""
    if membership not in groups:
        groups[membership] = cgroup.memory(pid)
    return Details(
        time=time.time(),
        private=procfs.private(pid),
        descriptors=None if links is None else procfs.descriptors(links),
        send_queues=queues,
        logs=None if links is None else procfs.logs(pid, links),
        cgroup=groups[membership],
    )
