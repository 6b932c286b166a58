"""A source file is replaced as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from leakaudit.errors import SourceError
from leakaudit.source import write_source


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_bytes(b"old")
    return path


def test_it_is_replaced(file: Path) -> None:
    file.chmod(0o600)
    write_source(str(file), b"old", b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(file.parent) == ["app.py"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_stays(file: Path) -> None:
    os.chown(file, 12345, 12346)
    write_source(str(file), b"old", b"new")
    status = file.stat()
    assert (status.st_uid, status.st_gid) == (12345, 12346)


def test_what_changed_meanwhile_is_not_overwritten(file: Path) -> None:
    file.write_bytes(b"edited")
    with pytest.raises(SourceError, match="was changed while it was being fixed: run leakaudit again"):
        write_source(str(file), b"old", b"new")
    assert file.read_bytes() == b"edited"


def test_a_failure_leaves_the_file_and_no_draft(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SourceError, match=r"cannot be written \(No space left on device\)"):
        write_source(str(file), b"old", b"new")
    assert file.read_bytes() == b"old"
    assert os.listdir(file.parent) == ["app.py"]


def test_a_file_that_is_gone_or_read_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="No such file"):
        write_source(str(file.with_name("other.py")), b"old", b"new")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SourceError, match="make it writable"):
        write_source(str(file), b"old", b"new")
