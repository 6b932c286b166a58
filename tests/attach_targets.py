"""Start programs to attach to, under every interpreter that this machine has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where `tools/interpreters` makes roots with interpreters in them.
ROOTS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "leakaudit-roots"
PROGRAM = Path(__file__).with_name("attach_program.py")
_PROBE = (
    "import json, sys, sysconfig; print(json.dumps([list(sys.version_info[:2]), sys.implementation.name,"
    " bool(sysconfig.get_config_var('Py_GIL_DISABLED')), getattr(sys, '_base_executable', sys.executable)]))"
)
_VERSIONS = tuple((3, minor) for minor in range(8, 16))


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython that can be attached to."""

    version: tuple[int, int]
    path: str

    def __str__(self) -> str:
        return "{}.{}".format(*self.version)


@cache
def interpreters() -> tuple[Interpreter, ...]:
    """Find one interpreter per version: our own, those on PATH, of pyenv, and of `tools/interpreters`."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = [shutil.which(f"python{major}.{minor}") for major, minor in _VERSIONS]
    made = [*sorted(pyenv.glob("versions/*/bin/python3")), *sorted(ROOTS.glob("*/usr/local/bin/python3.*"))]
    paths = [sys.executable, *map(str, made), *filter(None, on_path)]
    found: dict[tuple[int, int], Interpreter] = {}
    for path in paths:
        interpreter = _probe(path)
        if interpreter is not None and interpreter.version in _VERSIONS:
            found.setdefault(interpreter.version, interpreter)
    return tuple(found[version] for version in sorted(found))


def _probe(path: str) -> Interpreter | None:
    # A shim of pyenv answers only for versions that are switched on; it names the real interpreter.
    done = subprocess.run((path, "-I", "-c", _PROBE), capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        return None
    version, name, free_threaded, real = json.loads(done.stdout)
    if name != "cpython" or free_threaded:
        return None
    return Interpreter((version[0], version[1]), real)


@contextmanager
def running(interpreter: Interpreter, state: str, lasts_s: float = 2.5) -> Iterator[subprocess.Popen[str]]:
    """Run the program in one state, from READY on; it is ended when the block is left."""
    with started((interpreter.path, str(PROGRAM), state, str(lasts_s))) as process:
        yield process


@contextmanager
def started(command: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    """Run a command that prints a line when it is ready."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()
