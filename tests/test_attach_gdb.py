"""gdb places the code where the ptrace injector cannot."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, NoReturn

import pytest
from attach_targets import Interpreter, interpreters, running

from leakaudit.errors import AttachError
from leakaudit.runtime.attach import gdb, preflight
from leakaudit.runtime.attach.gdb import Gdb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLDEST, NEWEST = interpreters()[0], interpreters()[-1]


@pytest.fixture(autouse=True)
def _needs_gdb(missing: Callable[[str], NoReturn]) -> None:
    if shutil.which("gdb") is None:
        missing("no gdb")


@pytest.mark.parametrize("interpreter", [OLDEST, NEWEST], ids=str)
def test_code_runs_once(interpreter: Interpreter, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"open({str(mark)!r}, 'a').write('x')".encode()
    with running(interpreter, "allocating_until") as process:
        target = preflight.inspect(process.pid)
        assert Gdb().available(target) is None
        injection = Gdb().inject(target, source, mark.exists, 30)
        output, errors = process.communicate("\n", timeout=30)
    assert (process.returncode, errors, mark.read_text()) == (0, "", "x")
    assert (injection.method, injection.mode, len(injection.stops_ms)) == ("gdb", "pending", 1)
    assert json.loads(output)["new_names"] == []


def test_waiting_main_thread_is_not_helped(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = f"open({str(mark)!r}, 'a').write('x')".encode()
    with running(NEWEST, "sleep", 1.5) as process:
        with pytest.raises(AttachError, match="no safe point"):
            Gdb().inject(preflight.inspect(process.pid), source, mark.exists, 0.1)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert not mark.exists()


def test_without_gdb_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with running(NEWEST, "read_until") as process:
        assert Gdb().available(preflight.inspect(process.pid)) == "gdb is not installed"


def test_without_a_known_c_library_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdb, "_find_mmap", lambda _: 0)
    with running(NEWEST, "read_until") as process:
        assert "C library" in str(Gdb().available(preflight.inspect(process.pid)))
