"""Own child processes: whatever happens in between, none of them outlives the `with` block."""

from __future__ import annotations

import contextlib
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from leakaudit.errors import LeakAuditError

#: Seconds that all children together get to end after SIGTERM, before SIGKILL.
STOP_TIMEOUT_S = 5.0


class ChildError(LeakAuditError):
    """A child process ended or fell silent before it was ready."""


class Child:
    """One child process, its output lines, and the file that holds its standard error."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], errors: Path) -> None:
        self.name = name
        self.pid = process.pid
        self.process = process
        self._errors = errors
        self._pending = b""

    def wait_for(self, word: str, timeout_s: float) -> str:
        """Return the rest of the first output line that starts with `word`; raise ChildError if none comes."""
        deadline = time.monotonic() + timeout_s
        for line in self._lines(deadline):
            first, _, rest = line.partition(" ")
            if first == word:
                return rest
        if time.monotonic() >= deadline:
            raise ChildError(f"{self.name} did not say {word} within {timeout_s:g} s", self._last_words())
        raise ChildError(f"{self.name} ended before it said {word}", self._last_words())

    def _lines(self, deadline: float) -> Iterator[str]:
        """Yield output lines as they come, until the output ends or the deadline passes."""
        stdout = self.process.stdout
        assert stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                while b"\n" in self._pending:
                    line, self._pending = self._pending.split(b"\n", 1)
                    yield line.decode(errors="replace").rstrip()
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return
                chunk = _read_available(stdout)
                if not chunk:
                    return
                self._pending += chunk

    def _last_words(self) -> str:
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return f"its last words were: {lines[-1]}" if lines else "it wrote no error message"


class Children:
    """The child processes of one block. Leaving the block stops all of them, by their pids, the last started first."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a command in a session of its own, so that a Ctrl-C reaches it through `stop` and not before."""
        errors = self._log_dir / f"{name}.stderr"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                start_new_session=True,
            )
        child = Child(name, process, errors)
        self._children.append(child)
        return child

    def stop(self) -> None:
        """End all children: SIGTERM, a bounded wait, then SIGKILL. A second Ctrl-C skips the wait."""
        children = self._children[::-1]
        try:
            for child in children:
                child.process.terminate()
            deadline = time.monotonic() + STOP_TIMEOUT_S
            for child in children:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for child in children:
                child.process.kill()  # does nothing to one that was waited for
                child.process.wait()
                if child.process.stdout is not None:
                    child.process.stdout.close()
            self._children.clear()


def _read_available(stream: IO[bytes]) -> bytes:
    # An unbuffered pipe returns what is there, without waiting for the rest of a line.
    return stream.read(65536)
