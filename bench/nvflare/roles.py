"""Whose memory it is: server and clients of a simulated job, sampled from outside by the program that started it."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import psutil

#: The word in front of the line that tells the samples: {"server": [[s, bytes], ...], "clients": [...]}.
WORD = "ROLES"
EVERY_S = 0.2


class Roles(threading.Thread):
    """Sum up, again and again, the resident memory of the simulator's server and of its clients."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self._series: dict[str, list[tuple[float, int]]] = {"server": [], "clients": []}

    def run(self) -> None:
        """Look until told to stop."""
        started = time.monotonic()
        while not self._over.wait(EVERY_S):
            at = round(time.monotonic() - started, 2)
            for role, resident in resident_by_role().items():
                self._series[role].append((at, resident))

    def tell(self) -> None:
        """Stop, and print what was seen as one line."""
        self._over.set()
        self.join()
        print(WORD, json.dumps(self._series), flush=True)


def resident_by_role() -> dict[str, int]:
    """Return bytes for each role that has a process now; the server is the process that started the clients."""
    clients, servers = [], set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "nvflare.private.fed.app.simulator.simulator_worker" in process.cmdline():
                clients.append(process.memory_info().rss)
                servers.add(process.ppid())
    if not clients:
        return {}
    try:
        (server,) = servers
        return {"server": psutil.Process(server).memory_info().rss, "clients": sum(clients)}
    except (ValueError, psutil.Error):
        return {}
