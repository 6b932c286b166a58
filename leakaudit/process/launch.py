"""Start a program in a process group of its own, pass signals on to it, and wait for its end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from leakaudit.errors import UsageError

#: As the terminal does, to the whole group; the others go to the program itself, which knows its workers.
TO_THE_GROUP = (signal.SIGINT, signal.SIGQUIT)
FORWARDED = (
    *TO_THE_GROUP,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
TERMINAL = 0  # standard input
BY_SIGNAL = 128


class Program:
    """A running program; `ended` is set when it has ended, and `code` then is its exit code as a shell has it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._terminal = _owns_terminal()
        self._process = _start(command, environment, self._terminal)
        self.pid = self._process.pid
        self.ended = threading.Event()
        self.code = 0
        self._previous: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        # From a background group the terminal is given away only by those who ignore this.
        if self._terminal:
            self._previous[signal.SIGTTOU] = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        for number in FORWARDED:
            self._previous[number] = signal.signal(number, self._forward)
        threading.Thread(target=self._keep, daemon=True).start()

    def _forward(self, number: int, _: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            if self.ended.is_set():
                return
            os.killpg(self.pid, number) if number in TO_THE_GROUP else os.kill(self.pid, number)

    def _keep(self) -> None:
        """Wait for the end; let the shell have the terminal while the program is suspended."""
        while True:
            _, status = os.waitpid(self.pid, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                break
            if self._terminal:
                self._suspend()
        self.code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else BY_SIGNAL + os.WTERMSIG(status)
        self._process.returncode = self.code
        self.ended.set()

    def _suspend(self) -> None:
        _give_terminal(os.getpgrp())
        # To this thread: one sent to the process may reach another, and this one go on before all stand still.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        _give_terminal(self.pid)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGCONT)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the program's end, at most so long; returns whether it has ended."""
        return self.ended.wait(seconds)

    def release(self) -> None:
        """Take terminal and signals back."""
        if self._terminal:
            _give_terminal(os.getpgrp())
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def _start(command: Sequence[str], environment: Mapping[str, str], terminal: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            env=dict(environment),
            # Nothing else runs in this process yet; Popen's own process_group is newer than our oldest Python.
            preexec_fn=_lead_with_terminal if terminal else os.setpgrp,  # noqa: PLW1509
        )
    except FileNotFoundError:
        raise UsageError(f"there is no program {command[0]}", "check its name, or give its path") from None
    except PermissionError:
        raise UsageError(f"{command[0]} may not be run", f"check its mode: `ls -l {command[0]}`") from None
    except OSError as error:
        raise UsageError(
            f"{command[0]} cannot be run: {error.strerror}", "run what it is meant for"
        ) from None


def _lead_with_terminal() -> None:
    os.setpgrp()
    # Before the program's first read, which would suspend it otherwise.
    previous = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    _give_terminal(os.getpgrp())
    signal.signal(signal.SIGTTOU, previous)


def _owns_terminal() -> bool:
    try:
        return os.isatty(TERMINAL) and os.tcgetpgrp(TERMINAL) == os.getpgrp()
    except OSError:
        return False


def _give_terminal(group: int) -> None:
    with suppress(OSError):
        os.tcsetpgrp(TERMINAL, group)


def remaining(group: int) -> int:
    """Return how many processes of a group are left."""
    found = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                found += int(fields[2]) == group and fields[0] not in "ZX"
    return found
