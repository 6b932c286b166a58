"""The private folder in the target's own file system through which controller and agent talk."""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakaudit.errors import AttachError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

FOLDERS = ("/tmp", "/dev/shm", "/var/tmp", "/run")  # noqa: S108 - the name in it is random, the folder 0700
PREFIX = "leakaudit-"
LARGEST_RECORD = 256 << 20
FORGOTTEN_S = 3600.0  # a controller that lives touches its channel every second

_MAKE = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe there must not hold us up


class Channel:
    """One folder, owned by the target's user and closed to all others.

    `inside` is its path as the target sees it. The agent appends records to `out.jsonl`; the controller appends
    commands to `control.jsonl`, whose time of change is also the sign that the controller lives.
    """

    def __init__(self, inside: str, folder: int, parent: int, owner: tuple[int, int]) -> None:
        self.inside = inside
        self._folder, self._parent, self._owner = folder, parent, owner
        self._out = self._create("out.jsonl", os.O_RDWR)
        self._control = self._create("control.jsonl", os.O_WRONLY | os.O_APPEND)
        self._rest = b""

    def _create(self, name: str, flags: int) -> int:
        descriptor = os.open(name, flags | _MAKE, 0o600, dir_fd=self._folder)
        try:
            _give(descriptor, self._owner)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def put(self, name: str, content: bytes) -> None:
        """Add a file that the agent can read; `name` may name a folder too."""
        folder = self._folder
        first, _, last = name.rpartition("/")
        if first:
            folder = self._subfolder(first)
        try:
            descriptor = os.open(last, os.O_WRONLY | _MAKE, 0o600, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                _give(descriptor, self._owner)
                file.write(content)
        finally:
            if folder != self._folder:
                os.close(folder)

    def _subfolder(self, path: str) -> int:
        folder = os.dup(self._folder)
        for part in path.split("/"):
            try:
                os.mkdir(part, 0o700, dir_fd=folder)
                made = True
            except FileExistsError:
                made = False
            deeper = _open_folder(part, folder)
            os.close(folder)
            folder = deeper
            if made:
                _give(folder, self._owner)
        return folder

    def put_lines(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Add a file of JSON lines."""
        self.put(name, "".join(as_line(line) for line in lines).encode())

    def send(self, **command: Any) -> None:
        """Give the agent a command."""
        os.write(self._control, as_line(command).encode())

    def beat(self) -> None:
        """Show the agent that the controller lives."""
        os.utime(self._control)

    def read(self) -> list[dict[str, Any]]:
        """Return the agent's records that have come in since the last call."""
        chunks = [self._rest]
        while chunk := os.read(self._out, 1 << 20):
            chunks.append(chunk)
        whole, newline, self._rest = b"".join(chunks).rpartition(b"\n")
        if not newline:
            self._rest = whole + self._rest
            return []
        return [json.loads(line) for line in whole.splitlines()]

    def said_anything(self) -> bool:
        """Tell whether the agent has written its first record; nothing is consumed."""
        return os.fstat(self._out).st_size > 0

    def fetch(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file that the census has written, None if there is none; it is removed."""
        try:
            descriptor = os.open(name, _READ, dir_fd=self._folder)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = json.loads(file.read(LARGEST_RECORD))
        return content if isinstance(content, dict) else None

    def close(self) -> None:
        """Remove the folder; the agent ends when it finds it gone."""
        if self._folder < 0:
            return
        _empty(self._folder)
        name = self.inside.rpartition("/")[2]
        with suppress(FileNotFoundError):  # the agent has removed it if it thought us gone
            os.rmdir(name, dir_fd=self._parent)
        for descriptor in (self._out, self._control, self._folder, self._parent):
            os.close(descriptor)
        self._folder = -1


def open_channel(root: Path, uid: int, gid: int) -> Channel:
    """Make a channel below a target's root, owned by the target's user; raises AttachError."""
    reasons = []
    for inside in FOLDERS:
        try:
            parent = _open_inside(root, inside)
        except OSError as error:
            reasons.append(f"{inside}: {error.strerror}")
            continue
        sweep(parent, {uid, os.geteuid()})
        name = f"{PREFIX}{secrets.token_hex(8)}"
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            folder = _open_folder(name, parent)
            channel = Channel(f"{inside}/{name}", folder, parent, (uid, gid))
            _give(folder, (uid, gid))
        except OSError as error:
            reasons.append(f"{inside}: {error.strerror}")
            os.close(parent)
            continue
        return channel
    raise AttachError(
        f"no folder of the target can be written to ({'; '.join(reasons)})",
        "give it a writable /tmp or /dev/shm",
    )


def sweep(parent: int, owners: Container[int]) -> None:
    """Remove the folders of controllers that were killed with their targets; what others own is left alone."""
    with os.scandir(parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(PREFIX)]
    for name in names:
        with suppress(OSError):  # others may be at it, or have put something else there
            folder = _open_folder(name, parent)
            try:
                if os.fstat(folder).st_uid in owners and _age_s(folder) > FORGOTTEN_S:
                    _empty(folder)
                    os.rmdir(name, dir_fd=parent)
            finally:
                os.close(folder)


def _age_s(folder: int) -> float:
    """Return for how many seconds neither a folder nor a file in it was changed."""
    with os.scandir(folder) as entries:
        changed = [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    return time.time() - max((os.fstat(folder).st_mtime, *changed))


def as_line(record: Mapping[str, Any]) -> str:
    """Return a record as one line of JSON that is also a Python expression, which is how the agent reads it."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _open_folder(name: str, parent: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _open_inside(root: Path, path: str) -> int:
    # Part by part and without links: a link in another root would lead back into ours.
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in path.strip("/").split("/"):
        try:
            deeper = _open_folder(part, folder)
        finally:
            os.close(folder)
        folder = deeper
    return folder


def _give(descriptor: int, owner: tuple[int, int]) -> None:
    found = os.fstat(descriptor)
    if (found.st_uid, found.st_gid) != owner:
        os.fchown(descriptor, *owner)


def _empty(folder: int) -> None:
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if is_folder:
            deeper = _open_folder(name, folder)
            _empty(deeper)
            os.close(deeper)
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)
