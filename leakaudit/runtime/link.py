"""The controller's end of an attach: starts the agent, asks it, listens to it, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakaudit.errors import AttachError
from leakaudit.runtime.attach.cooperative import Cooperative
from leakaudit.runtime.channel import Channel, open_channel
from leakaudit.runtime.payload import payload

if TYPE_CHECKING:
    from leakaudit.runtime.attach.injector import Injection, Injector
    from leakaudit.runtime.attach.target import Target
    from leakaudit.runtime.session import Record

AGENT = Path(__file__).with_name("agent.py")
#: What the agent reads from the channel when it is asked for a census.
CLONER = Path(__file__).with_name("cloner.py")
INJECT_LIMIT_S = 10.0
BEAT_S = 1.0
LEASE_S = 10.0
POLL_S = 0.05


class Link:
    """A channel with an agent at its other end. `heard` is called with each of its records.

    `equipped` says that the target has put what a census needs into the channel itself.
    """

    def __init__(
        self,
        channel: Channel,
        alive: Callable[[], bool],
        heard: Callable[[Record], None],
        *,
        equipped: bool = False,
    ) -> None:
        self.channel, self.equipped = channel, equipped
        self._alive, self._heard = alive, heard
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()
        self.ended = ""

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            self.channel.beat()

    def poll(self) -> list[Record]:
        """Pass on what the agent has said, and return it; sets `ended` when it will say no more."""
        alive = self._alive()
        records: list[Record] = list(self.channel.read())
        for record in records:
            self._heard(record)
            if record["record"] == "bye" and not self.ended:
                self.ended = record["reason"]
        if not alive and not self.ended:
            self.ended = "target ended"
        return records

    def ask(self, do: str, answer: str, limit_s: float, **more: Any) -> Record | None:
        """Give a command and wait for its answer; None if the agent or the time ended first."""
        self.channel.send(do=do, **more)
        return self.wait_for(answer, limit_s)

    def wait_for(self, answer: str, limit_s: float) -> Record | None:
        """Wait for a record of a kind; raises AttachError when the agent says that it failed."""
        end = time.monotonic() + limit_s
        while True:
            for record in self.poll():
                if record["record"] == answer:
                    return record
                if record["record"] == "failed" and record["command"] == "census":
                    if answer == "census":
                        return None
                elif record["record"] == "failed":
                    raise AttachError(
                        f"the agent failed at {record['command'] or 'its start'}: {record['error']}"
                    )
            if self.ended or time.monotonic() > end:
                return None
            time.sleep(POLL_S)

    def close(self) -> None:
        """Stop the agent, wait until it has gone, and remove the channel."""
        try:
            if not self.ended:
                self.ask("stop", "bye", LEASE_S)
        finally:
            self._over.set()
            self._beating.join()
            self.channel.close()


def attach(
    target: Target,
    injector: Injector,
    alive: Callable[[], bool],
    heard: Callable[[Record], None],
    options: dict[str, Any],
) -> tuple[Link, Injection]:
    """Place the agent in the target and return the link to it; raises AttachError."""
    channel = open_channel(target.root, target.uid, target.gid)
    # A target that cooperates runs the agent that came with its own leakaudit: it is told only where to talk.
    cooperates = isinstance(injector, Cooperative)
    try:
        equip(channel, options, code=not cooperates)
        source = os.fsencode(channel.inside) if cooperates else payload(channel.inside)
        injection = injector.inject(target, source, channel.said_anything, deadline_s=INJECT_LIMIT_S)
    except BaseException:
        channel.close()
        raise
    return Link(channel, alive, heard, equipped=cooperates), injection


def equip(channel: Channel, options: dict[str, Any], *, code: bool = True) -> None:
    """Put into the channel what the agent needs to start, with its `code` or without."""
    if code:
        channel.put("agent.py", AGENT.read_bytes())
        channel.put("cloner.py", CLONER.read_bytes())
    channel.put("options.json", json.dumps({"lease_s": LEASE_S, **options}).encode())
