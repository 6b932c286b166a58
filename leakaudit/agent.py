"""The cooperative way: a program opens a door, through which `leakaudit runtime PID` comes in without ptrace.

    import leakaudit.agent
    leakaudit.agent.start()

or, for a program that knows nothing of leakaudit, `python -m leakaudit.agent -- gunicorn app:app`.

The door is a socket in Linux's abstract namespace: no file, gone with the process, closed to all but the same user and
root, which the kernel vouches for. Behind it one thread sleeps; what a visitor may ask for is that the agent that
belongs to this very file starts. One file for CPython 3.8 and later, because it is also loaded by its path into
interpreters that know nothing of leakaudit; what is imported here is imported into the program.
"""

from __future__ import annotations

import _socket
import _thread
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

PREFIX = "leakaudit-door-"
NAME = PREFIX + "{}{}"
SLOTS = ("", *(f"-{number}" for number in range(1, 8)))  # one pid may be in use in several pid namespaces
BOOTED = "leakaudit_door"  # this file, where a Python has loaded it at its start
TOOLS = "LEAKAUDIT_TOOLS"
LARGEST_REQUEST = 4096
PATIENCE_S = 10.0
FULL_S = 1.0
EBADF, EINVAL = 9, 22

_package = os.path.dirname(os.path.abspath(__file__))
BOOT = os.path.join(_package, "runtime", "boot")
# Where gevent has replaced threads by its own, the real ones are among what it saved.
_saved = getattr(sys.modules.get("gevent.monkey"), "saved", {}).get("_thread", {})
_start_thread: Callable[..., Any] = _saved.get("start_new_thread") or _thread.start_new_thread


class Door:
    """A listening socket and the thread that sleeps on it, in this process and in those forked from it."""

    def __init__(self) -> None:
        self.listener: _socket.socket | None = None
        self.pid = 0

    def open(self) -> bool:
        """Open the door unless it is open; returns whether it is."""
        if self.listener is not None and self.pid == os.getpid():
            return True
        self.listener = _listen()
        self.pid = os.getpid()
        if self.listener is not None:
            _start_thread(_serve, (self.listener, _inode(self.listener)))
        return self.listener is not None

    def close(self) -> None:
        """Close the door and let the thread end."""
        listener, self.listener = self.listener, None
        if listener is not None and self.pid == os.getpid():
            try:
                listener.shutdown(_socket.SHUT_RDWR)
                listener.close()
            except OSError:
                listener.detach()  # the program has closed it, and its number may be another file's

    def reopen(self) -> None:
        """Give a forked process a door of its own, if its parent has one."""
        inherited, self.listener = self.listener, None
        if inherited is None:
            return
        try:
            if not _is_listener(inherited):
                inherited.detach()  # all files are closed: the copy for a census, or who wants to be left alone
                return
            inherited.close()
            self.open()
        except Exception:  # noqa: S110 - the program must not suffer from it
            pass


_door = Door()
_hooked: list[bool] = []


def start() -> bool:
    """Open this process's door; returns whether it is open: it is not outside Linux and in free-threaded builds."""
    if sys.platform != "linux" or "t" in getattr(sys, "abiflags", ""):
        return False
    booted = sys.modules.get(BOOTED)
    if booted is not None and vars(booted) is not globals():
        return bool(booted.start())
    if not _hooked:
        _hooked.append(True)
        os.register_at_fork(after_in_child=_door.reopen)
    return _door.open()


def stop() -> None:
    """Close this process's door; an agent that is at work goes on until its controller lets it go."""
    _door.close()
    booted = sys.modules.get(BOOTED)
    if booted is not None and vars(booted) is not globals():
        booted.stop()


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which every Python that is started opens its door."""
    paths = [BOOT, *filter(None, given.get("PYTHONPATH", "").split(os.pathsep))]
    return {**given, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), TOOLS: os.pathsep.join(_tools())}


# --- The socket -------------------------------------------------------------------------------------------------------


def _listen() -> _socket.socket | None:
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    for slot in SLOTS:
        try:
            listener.bind("\0" + NAME.format(os.getpid(), slot))
            listener.listen(4)
        except OSError:
            continue
        return listener
    listener.close()
    return None


def _inode(listener: _socket.socket) -> int:
    return os.fstat(listener.fileno()).st_ino


def _is_listener(listener: _socket.socket) -> bool:
    try:
        name = listener.getsockname()
    except OSError:
        return False
    return type(name) is bytes and name.startswith(b"\0" + PREFIX.encode())


def _serve(listener: _socket.socket, inode: int) -> None:
    """Let in one visitor after the other, until the door is closed, by us or with all of the program's files."""
    while True:
        try:
            # A program may close every file it finds: the number then is another file's, whose guests are not ours.
            if _inode(listener) != inode:
                listener.detach()
                return
            descriptor, _ = listener._accept()  # type: ignore[attr-defined]
        except OSError as error:
            if error.errno in (EBADF, EINVAL):
                return
            _nap(FULL_S)  # no file is left to open
            continue
        visitor = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptor)
        try:
            visitor.settimeout(PATIENCE_S)
            visitor.sendall(_answer(visitor))
        except Exception:  # noqa: S110 - whatever a visitor does, the program goes on
            pass
        finally:
            visitor.close()


def _nap(seconds: float) -> None:
    lock = _thread.allocate_lock()
    lock.acquire()
    lock.acquire(True, seconds)


def _answer(visitor: _socket.socket) -> bytes:
    """Return what to answer to a request, one line of JSON each."""
    text = b""
    while not text.endswith(b"\n") and len(text) <= LARGEST_REQUEST:
        part = visitor.recv(LARGEST_REQUEST)
        if not part:
            break
        text += part
    credentials = visitor.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    if int.from_bytes(credentials[4:8], sys.byteorder) not in (0, os.geteuid()):
        return b'{"error": "only the same user and root may come in"}\n'
    from json import dumps, loads

    request = loads(text)
    try:
        answer = _start(request["directory"], loads) if request["do"] == "start" else _describe()
    except OSError as error:  # such as a user who may not read what we are made of
        answer = {"error": str(error)}
    return (dumps(answer) + "\n").encode()


# --- What a visitor may ask for ---------------------------------------------------------------------------------------


def _describe() -> dict[str, Any]:
    return {
        "version": _version(),
        "python": list(sys.version_info[:3]),
        "exe": sys.executable,
        "cwd": os.getcwd(),
    }


def _version() -> str:
    line = next(line for line in _read("__init__.py").splitlines() if line.startswith("__version__"))
    return line.split('"')[1]


def _start(directory: str, loads: Callable[[str], Any]) -> dict[str, Any]:
    """Start the agent over a channel that the controller has made."""
    if not _is_private(directory):
        return {"error": f"{directory} is not a folder of this user's alone"}
    _equip(directory)
    names: dict[str, Any] = {}
    exec(compile(_read("runtime", "payload.py"), "leakaudit payload", "exec"), names)
    # The agent reads what it is told as Python expressions; here it may be told JSON only.
    agent = {"__name__": "leakaudit_agent", "instead": {"decode": loads}}
    _start_thread(exec, (names["LOADER"], {"directory": directory, "names": agent}))
    return {"version": _version()}


def _is_private(directory: str) -> bool:
    try:
        found = os.lstat(directory)
    except OSError:
        return False
    return (
        found.st_mode & 0o170000 == 0o040000
        and found.st_mode & 0o077 == 0
        and found.st_uid == os.geteuid()
        and os.path.isabs(directory)
    )


def _equip(directory: str) -> None:
    """Put the agent's own code into the channel: nothing that runs here comes from the visitor.

    By links, because in a program whose threads fight for the interpreter each call that lets go of it costs much.
    """
    own = {name: os.path.join(_package, "runtime", name) for name in ("agent.py", "cloner.py")}
    own["lib/census_child"] = os.path.join(_package, "runtime", "census_child")
    # Without these there is no census, and sizes are estimates.
    for name in ("objgraph.py", "pympler"):
        for folder in (*os.environ.get(TOOLS, "").split(os.pathsep), *sys.path):
            if folder and os.path.exists(os.path.join(folder, name)):
                own[f"lib/{name}"] = os.path.join(os.path.abspath(folder), name)
                break
    if not os.access(own["agent.py"], os.R_OK):
        raise PermissionError(f"the program's user may not read {own['agent.py']}")
    os.mkdir(f"{directory}/lib", 0o700)
    for name, path in own.items():
        os.symlink(path, f"{directory}/{name}")


def _read(*parts: str) -> str:
    return _text(os.path.join(_package, *parts))


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


# --- Programs that know nothing of leakaudit --------------------------------------------------------------------------


def _tools() -> list[str]:
    """Return the folders that hold what a census needs."""
    from importlib.util import find_spec

    specs = (find_spec(name) for name in ("objgraph", "pympler"))
    found = (spec.origin for spec in specs if spec is not None and spec.origin is not None)
    depth = {"objgraph.py": 1, "__init__.py": 2}
    folders = []
    for path in found:
        folder = path
        for _ in range(depth.get(os.path.basename(path), 1)):
            folder = os.path.dirname(folder)
        folders.append(folder)
    return list(dict.fromkeys(folders))


def main(arguments: list[str]) -> int:
    """Become the program that the arguments name, its door open; returns only if that cannot be done."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command or command[0] in ("-h", "--help"):
        sys.stderr.write("usage: python -m leakaudit.agent -- CMD...\n\nRun CMD with its door open.\n")
        return 0 if command else 2
    try:
        os.execvpe(command[0], command, environment(os.environ))  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"error: {command[0]} cannot be run: {error.strerror}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
