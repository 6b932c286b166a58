"""How the agent copies the target for a census; read from the channel when one is asked for."""

from __future__ import annotations

import _imp
import gc
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from leakaudit.runtime.agent import Agent


def clone(agent: Agent) -> tuple[int, float]:
    """Return the child's pid and how many ms the target stood still; in the child the pid is 0. Raises OSError."""
    cloner = Cloner()
    # The copy gives back the import lock, as after every fork; so it has to be taken here.
    _imp.acquire_lock()
    try:
        pid, took_ms = agent.ledger.atomic(cloner.clone)
    finally:
        if not cloner.copied:
            _imp.release_lock()
    if pid != 0:
        cloner.close()
    if pid < 0:
        raise OSError("the target may not create a process")
    return pid, took_ms


def c_function(name: str) -> tuple[Callable[..., int], int]:
    """Return a call of a C function that keeps the interpreter lock, and the function's address."""
    import _ctypes

    long = type("Long", (_ctypes._SimpleCData,), {"_type_": "l"})
    flags = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
    prototype = type("Call", (_ctypes.CFuncPtr,), {"_flags_": flags, "_restype_": long})
    address = _ctypes.dlsym(_ctypes.dlopen(None, 2), name) if name else 0

    def call(*arguments: Any, at: int = address) -> int:
        return int(prototype(at)(*(long(item) if type(item) is int else item for item in arguments)))

    return call, address


class Cloner:
    """Copies the process as fork does, but announces nothing: no signal at the end, no hooks run beforehand.

    In a copy of a process with many threads, the first release of the interpreter lock waits forever for threads that
    are not in the copy. So the copy must call `PyOS_AfterFork_Child`, which makes the locks anew, before it runs any
    bytecode; and before that it closes all files, so that nothing that is run there can disturb the target's
    connections. That takes a few machine instructions of our own: clone, close, call.
    """

    CODE = {
        "x86_64": (
            "f30f1efa53415441554989fc4189f531ff31f631d24531d24531c0b8380000000f054885c0751731db"
            "89dfb8030000000f05ffc34439eb72f041ffd431c0415d415c5bc3"
        )
    }

    def __init__(self) -> None:
        self.copied = False
        code = self.CODE.get(posix.uname().machine)
        if code is None:
            raise OSError("a census is not possible on this processor")
        self.call, self.after_fork = c_function("PyOS_AfterFork_Child")
        self.page = c_function("mmap")[0](0, 4096, 3, 0x22, -1, 0)
        if self.page == -1:
            raise OSError("the target may map no memory")
        c_function("memmove")[0](self.page, bytes.fromhex(code), len(code) // 2)
        if c_function("mprotect")[0](self.page, 4096, 5) != 0:
            self.close()
            raise OSError("the target may run no code of ours")
        self.files = most_files()

    def clone(self) -> int:
        """Return the child's pid in the parent and 0 in the child, which has no open files."""
        pid = self.call(self.after_fork, self.files, at=self.page)
        self.copied = pid == 0
        return pid

    def close(self) -> None:
        """Give the page back."""
        c_function("munmap")[0](self.page, 4096)


def most_files() -> int:
    """Return a number above all open descriptors."""
    try:
        return max(int(name) for name in posix.listdir("/proc/self/fd")) + 32
    except OSError:
        return 4096


def be_child(agent: Agent, forked: float) -> None:
    """Take the census in the copy of the target, write it, and end without running anything of the target's."""
    try:
        for _ in range(3):
            posix.open("/dev/null", posix.O_RDWR)
        gc.disable()
        name, directory = agent.child["command"]["id"], agent.directory
        posix.close(posix.open(f"{directory}/census-{name}.alive", posix.O_CREAT | posix.O_WRONLY, 0o600))
        c_function("prctl")[0](1, 9)  # end with the thread that made us
        agent.namespace["run_file"](f"{directory}/census_child.py")["take"](agent, forked)
    except BaseException as error:
        with open(f"{agent.directory}/census-error", "w", encoding="utf-8") as file:
            file.write(f"{type(error).__name__}: {error}")
    finally:
        posix._exit(0)
