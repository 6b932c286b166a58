"""How the agent copies the target for a census; read from the channel when one is asked for."""

# ruff: noqa: PTH123
from __future__ import annotations

import _imp
import _signal  # type: ignore[import-not-found]
import _thread
import gc
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from leakaudit.runtime.agent import Agent


CODE = {
    "x86_64": (
        "f30f1efa53415441554989fc4189f531ff31f631d24531d24531c0b8380000000f054885c0751731db"
        "89dfb8030000000f05ffc34439eb72f041ffd431c0415d415c5bc3"
    )
}
#: Run in the copy before what makes its locks anew: adds a reference to what each address in a table leads to.
KEEP = {
    "x86_64": "f30f1efa48bf{table}488b074885c07410488b004885c07402ff004883c708ebe848b8{then}ffe0",
}
PAGE, KEEP_AT, TABLE_AT = 4096, 128, 256
STATE_WORDS = 128  # of a thread's state, among which its names and its context are
READ_WRITE, READ_EXECUTE, PRIVATE_ANONYMOUS = 3, 5, 0x22
SET_PDEATHSIG, SIGKILL = 1, 9


class Library:
    """Calls C functions without giving up the interpreter lock."""

    def __init__(self) -> None:
        import _ctypes

        self.long: Any = type("Long", (_ctypes._SimpleCData,), {"_type_": "l"})
        flags = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_PYTHONAPI
        self.prototype = type("Call", (_ctypes.CFuncPtr,), {"_flags_": flags, "_restype_": self.long})
        self.find: Callable[[Any, str], int] = _ctypes.dlsym
        self.handle = _ctypes.dlopen(None, 2)  # type: ignore[arg-type]

    def call(self, function: str | int, *arguments: Any) -> int:
        """Call a function, by name or address; raises OSError for a name that there is not."""
        address = function if type(function) is int else self.find(self.handle, str(function))
        call: Any = self.prototype(address)
        return int(call(*(self.long(item) if type(item) is int else item for item in arguments)))


class Cloner:
    """Copies the process as fork does, but announces nothing: no signal at the end, no hooks run beforehand.

    In a copy of a process with many threads, the first release of the interpreter lock waits forever for threads that
    are not in the copy. So the copy must call `PyOS_AfterFork_Child`, which makes the locks anew, before it runs any
    bytecode; and before that it closes all files, so that nothing that is run there can disturb the target's
    connections. That takes a few machine instructions of our own: clone, close, call.

    The call forgets the other threads, and with them what they have in `threading.local` and in context variables. The
    census is to see that too, so the copy holds it once more.
    """

    def __init__(self) -> None:
        self.library = Library()
        self.page, self.files, self.copied = 0, 0, False
        self.after_fork = self.library.find(self.library.handle, "PyOS_AfterFork_Child")

    def clone(self, agent: Agent) -> tuple[int, float]:
        """Return the child's pid (in the child 0), and how many ms the target stood still. Raises OSError."""
        self.prepare()
        # The copy gives back the import lock, as after every fork; so it has to be taken here.
        _imp.acquire_lock()
        try:
            pid, took_ms = agent.ledger.atomic(self.copy)
        finally:
            if not self.copied:
                _imp.release_lock()
                self.library.call("munmap", self.page, PAGE)
        if pid < 0:
            raise OSError("the target may not create a process")
        return pid, took_ms

    def prepare(self) -> None:
        """Place the instructions; raises OSError."""
        code = bytes.fromhex(CODE.get(posix.uname().machine, ""))
        if not code:
            raise OSError("a census is not possible on this processor")
        self.page = self.library.call("mmap", 0, PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0)
        if self.page == -1:
            raise OSError("the target may map no memory")
        keep = bytes.fromhex(
            KEEP[posix.uname().machine].format(
                table=address(self.page + TABLE_AT), then=address(self.after_fork)
            )
        )
        table = bytes.fromhex("".join(map(address, (*self.kept(), 0))))
        for at, part in ((0, code), (KEEP_AT, keep), (TABLE_AT, table)):
            self.library.call("memmove", self.page + at, part, len(part))
        if self.library.call("mprotect", self.page, PAGE, READ_EXECUTE) != 0:
            self.library.call("munmap", self.page, PAGE)
            raise OSError("the target may run no code of ours")
        self.files = most_files()

    def kept(self) -> list[int]:
        """Return where the states of the threads, oldest first, have their names and their contexts."""
        import _contextvars

        call, context, local = self.library.call, _contextvars.Context(), _thread._local()
        local.name = None
        # Since 3.13 a thread has a token, too, at whose end each `threading.local` forgets the thread.
        tokens = [ref() for refs in gc.get_referents(local) if type(refs) is set for ref in refs]
        offsets = {
            self.offset(call("PyThreadState_GetDict")),
            context.run(self.offset, id(context)),
            *map(self.offset, map(id, tokens)),
        } - {0}
        states = [call("PyInterpreterState_ThreadHead", call("PyInterpreterState_Main"))]
        while states[-1]:
            states.append(call("PyThreadState_Next", states[-1]))
        most = (PAGE - TABLE_AT) // 8 - 1
        return [state + offset for state in reversed(states[:-1]) for offset in offsets][:most]

    def offset(self, value: int) -> int:
        """Return at which offset this thread's state has a value; 0 if it has not."""
        state = self.library.call("PyThreadState_Get")
        words = (self.library.long.from_address(state + 8 * i).value for i in range(STATE_WORDS))
        return next((8 * i for i, word in enumerate(words) if word == value), 0)

    def copy(self) -> int:
        """Run the instructions; in the child no file is open afterwards."""
        pid = self.library.call(self.page, self.page + KEEP_AT, self.files)
        self.copied = pid == 0
        return pid


def address(value: int) -> str:
    """Return an address as instructions have it."""
    return value.to_bytes(8, "little", signed=value < 0).hex()


def most_files() -> int:
    """Return a number above all open descriptors."""
    try:
        return max(int(name) for name in posix.listdir("/proc/self/fd")) + 32
    except OSError:
        return 4096


def nowhere(directory: str) -> None:
    """Open the three standard files, all closed before, where what is written disturbs nobody."""
    try:
        null = posix.open("/dev/null", posix.O_RDWR)
    except OSError:  # not in this root
        null = posix.open(f"{directory}/nowhere", posix.O_RDWR | posix.O_CREAT, 0o600)
    for number in range(null + 1, 3):
        posix.dup2(null, number)


def is_foreign(folder: str) -> bool:
    """Tell whether a folder of modules is not the standard library, for whose modules the program may have others."""
    library = (sys.modules["os"].__file__ or "").rpartition("/")[0]
    return folder not in (library, f"{library}/lib-dynload")


def be_child(agent: Agent, cloner: Cloner, forked: float) -> None:
    """Take the census in the copy of the target, write it, and end without running anything of the target's."""
    try:
        for number in (1, 2, 3, 10, 12, 14, 15, 17):
            _signal.signal(number, _signal.SIG_DFL)
        nowhere(agent.directory)
        gc.disable()
        name, directory = agent.child["command"]["id"], agent.directory
        posix.close(posix.open(f"{directory}/census-{name}.alive", posix.O_CREAT | posix.O_WRONLY, 0o600))
        cloner.library.call("prctl", SET_PDEATHSIG, SIGKILL)
        sys.dont_write_bytecode = True
        sys.path[:] = [f"{directory}/lib", *sorted(sys.path, key=is_foreign)]
        __import__("census_child.take")
        sys.modules["census_child.take"].take(agent, forked)
    except BaseException as error:
        with open(f"{agent.directory}/census-error.json", "w", encoding="utf-8") as file:
            file.write(
                agent.namespace["encode"]({"error": agent.namespace["complaint"](error)}, lambda: None)
            )
    finally:
        posix._exit(0)
