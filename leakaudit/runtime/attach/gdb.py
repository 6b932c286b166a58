"""Rung 3: gdb queues the pending call, on processors whose registers the ptrace injector does not know.

gdb stops every thread for some 200 ms and cannot help a waiting main thread along, so this is for where nothing else is.
Functions are called by the addresses that were found in the target's memory: gdb would look for them in files, and in
another root it would find the wrong ones.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import buffer, procfs
from leakaudit.runtime.attach.elf import PAGE, ElfError, read_image
from leakaudit.runtime.attach.injector import Injection
from leakaudit.runtime.attach.pending_call import answers, one_line
from leakaudit.runtime.attach.procfs import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakaudit.runtime.attach.target import Target

_LIMIT_S = 60
_FUNCTIONS = ("Py_AddPendingCall", "PyRun_SimpleString", "Py_IsInitialized")
_C_LIBRARY = re.compile(r"/(libc\.so\.|libc-|ld-musl-)")
_RESULT = re.compile(rb"leakaudit (\w+) (-?\d+)")
_SETTINGS = (
    "-iex", "set auto-load off", "-iex", "set auto-solib-add off", "-iex", "set debuginfod enabled off",
)  # fmt: skip


class Gdb:
    """The injector for processors that have no register layout here."""

    name = "gdb"

    def available(self, target: Target) -> str | None:
        """Return why this way is closed for the target, or None when it is open."""
        if shutil.which("gdb") is None:
            return "gdb is not installed"
        missing = [name for name in _FUNCTIONS if name not in target.runtime.symbols]
        if missing:
            return f"{target.runtime.path} does not export {', '.join(missing)}"
        if not _find_mmap(target.pid):
            return "the target's C library is not known"
        return None

    def inject(
        self, target: Target, source: bytes, hello: Callable[[], bool], deadline_s: float
    ) -> Injection:
        """Run `source` once in the target's main thread and wait until `hello` is true; raises AttachError."""
        began = time.monotonic()
        results, stop_ms = _queue(target, one_line(source) + b"\0")
        if results.get("alive") == 0:
            raise AttachError(f"the interpreter of process {target.pid} is shutting down")
        if results.get("queued") != 0:
            raise AttachError(
                f"gdb could not place the agent in process {target.pid}", "start it with `leakaudit run`"
            )
        if not answers(hello, target, began + deadline_s):
            with suppress(OSError):
                buffer.withdraw(target.pid, results["buffer"])
            raise AttachError(
                f"the main thread of process {target.pid} came to no safe point in time",
                "try again with a longer limit, or start it with `leakaudit run`",
            )
        return Injection(self.name, "pending", (stop_ms,), (time.monotonic() - began) * 1e3)


def _queue(target: Target, line: bytes) -> tuple[dict[str, int], float]:
    with tempfile.TemporaryDirectory(prefix="leakaudit-") as folder:
        content, script = Path(folder) / "line", Path(folder) / "commands"
        content.write_bytes(line)
        script.write_text(_script(target, content, len(line)))
        command = ("gdb", "-nx", "-batch", *_SETTINGS, "-p", str(target.pid), "-x", str(script))
        began = time.monotonic()
        # A session of its own, so that Ctrl-C does not end gdb while the target runs on borrowed registers.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            output = process.communicate(timeout=_LIMIT_S)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            output = process.communicate()[0]
    results = {name.decode(): int(number) for name, number in _RESULT.findall(output)}
    return results, (time.monotonic() - began) * 1e3


def _script(target: Target, content: Path, size: int) -> str:
    call, run, alive = (target.runtime.symbols[name].address for name in _FUNCTIONS)
    length = -(-size // PAGE) * PAGE
    map_type = "unsigned long (*)(unsigned long, unsigned long, int, int, int, long)"
    return f"""
set unwindonsignal on
set $alive = ((int (*)(void)) {alive:#x})()
printf "leakaudit alive %d\\n", $alive
if $alive
  set $buffer = (({map_type}) {_find_mmap(target.pid):#x})(0, {length}, 3, 0x22, -1, 0)
  printf "leakaudit buffer %ld\\n", $buffer
  if $buffer != (unsigned long) -1
    restore {content} binary $buffer
    set $queued = ((int (*)(unsigned long, unsigned long)) {call:#x})({run:#x}, $buffer)
    printf "leakaudit queued %d\\n", $queued
  end
end
detach
"""


def _find_mmap(pid: int) -> int:
    """Return the address of mmap in the target's C library, 0 where it is not found."""
    with suppress(OSError, ElfError), Memory(pid) as memory:
        for mapping in procfs.read_maps(pid):
            if not mapping.offset and _C_LIBRARY.search(mapping.path):
                found = read_image(memory, mapping.start).find(memory, ("mmap",))
                if found:
                    return found["mmap"].address
    return 0
