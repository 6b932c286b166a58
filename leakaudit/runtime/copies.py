"""Copies of the target: the censuses at both ends, and counts between them that the target has no time for."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakaudit.runtime import census
from leakaudit.runtime.conclude import findings_of, watched_in
from leakaudit.runtime.declared import Sources
from leakaudit.runtime.link import POLL_S, Link
from leakaudit.runtime.named import Named
from leakaudit.runtime.unexplained import declarations
from leakaudit.runtime.verdict import suspicious

if TYPE_CHECKING:
    from leakaudit.runtime.options import Options, Progress
    from leakaudit.runtime.session import Record, Session


class Copies:
    """Asks the agent for copies of the target, and keeps in the session what they find.

    `turn` is held while a copy works. `has_ctypes`, `files` and `sources` are known only when the agent has answered.
    """

    def __init__(
        self,
        pid: int,
        options: Options,
        progress: Progress,
        session: Session,
        turn: contextlib.AbstractContextManager[object],
    ) -> None:
        self.pid, self.options = pid, options
        self.progress, self.session = progress, session
        self.turn = turn
        self.has_ctypes = True
        self.files: dict[str, Path] = {}
        self.sources = Sources({}, ())
        self.named = Named()
        self.copying: dict[str, Any] | None = (
            None  # the command for a copy that is at work while samples go on
        )
        self.copied: Record | None = None  # the answer to it
        self.waiting = contextlib.ExitStack()  # for its turn's end

    def heard(self, record: Record) -> None:
        """Note the answer to a copy's command."""
        if record["record"] == "census" or (record["record"] == "failed" and record["command"] == "census"):
            self.copied = record

    def needed(self) -> bool:
        """Tell whether samples need the help of copies, and there is time for them."""
        watched = watched_in(self.session)
        return watched.first is not None and (
            self.named.affordable(self.options.duration_s) or any(s.partial for s in watched.samples)
        )

    def count(self, link: Link, at: float) -> None:
        """Let a copy of the target search the whole heap for holders, which the target itself has no time for.

        Where the processors are busy that takes long; samples go on meanwhile.
        """
        if not census.refusal(self.pid, self.options.pause_budget_ms):
            self.copying = {"id": f"{at:.3f}", "cpu_s": census.LIMIT_S, "light": True, "grew": []}
            self.copied = None
            self.waiting.enter_context(self.turn)
            link.channel.send(do="census", **self.copying)

    def end_count(self, link: Link) -> None:
        """Take what a copy has counted, if it is done."""
        if self.copying is not None and self.copied is not None:
            command, self.copying = self.copying, None
            self.waiting.close()
            self._take_result(link, command, self.copied)

    def await_count(self, link: Link) -> None:
        """Wait for a copy that is still at work."""
        end = time.monotonic() + 3 * census.LIMIT_S
        while self.copying is not None and not link.ended and time.monotonic() < end:
            link.poll()
            self.end_count(link)
            time.sleep(POLL_S)
        self.waiting.close()

    def take(self, link: Link, name: str) -> None:
        """Let the target be copied if it can bear it, and wait for what the copy finds."""
        if link.ended or (name == "last" and watched_in(self.session).first is None):
            return
        why_not = census.refusal(self.pid, self.options.pause_budget_ms)
        if why_not:
            text = f"no {name} census, so sizes and shares are estimates: {why_not}"
            self.session.add("note", text=text)
            return
        self.progress("census", 0, 1)
        command: dict[str, Any] = {
            "id": name,
            "cpu_s": census.LIMIT_S,
            "light": False,
            "grew": [],
            "most": census.most_objects(self.pid),
        }
        if name == "first":
            for file, content in ({} if link.equipped else census.tools()).items():
                link.channel.put(file, content)
            if not self.has_ctypes:
                self.session.add("note", text="the census loaded libffi into the target; it stays mapped")
        else:
            watched = watched_in(self.session)
            command["grew"] = suspicious(findings_of(self.session), watched)
            command["before"] = "census-first.json"
            command["rising"] = self.named.rising()
        self._take_census(link, command)

    def _take_census(self, link: Link, command: dict[str, Any]) -> None:
        with self.turn:
            answer = link.ask("census", "census", 3 * census.LIMIT_S, **command)
        self._take_result(link, command, answer)

    def _take_result(self, link: Link, command: dict[str, Any], answer: Record | None) -> None:
        result = link.channel.fetch(f"census-{command['id']}.json") if answer and answer.get("done") else None
        if result is None:
            error = (link.channel.fetch("census-error.json") or {}).get("error") or self._last_failure()
            self.session.add("note", text=f"the {command['id']} census was not finished; {error}")
            return
        self.named.add(result)
        declarations(result, self.files)
        self.named.declare(result, self.sources)
        # Addresses, lengths and names are for the second census only, which reads the file itself.
        self.session.append({key: value for key, value in result.items() if key not in ("lengths", "names")})

    def _last_failure(self) -> str:
        failures = [record["error"] for record in self.session.of("failed")]
        return failures[-1] if failures else "the copy of the target gave no answer"
