"""The channel: private, in the target's root, gone afterwards."""

from __future__ import annotations

import os
import stat
import time

import pytest

from leakaudit.errors import AttachError
from leakaudit.runtime.channel import as_line, open_channel

NOBODY = 65534


@pytest.fixture
def root(tmp_path):
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.fixture
def opened(root):
    channel = open_channel(root, os.geteuid(), os.getegid())
    yield channel
    channel.close()


def folder_of(root, channel):
    return root / channel.inside.lstrip("/")


def test_folder_and_files_are_closed_to_others(root, opened):
    opened.put("lib/deep/tool.py", b"x = 1\n")
    folder = folder_of(root, opened)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert (folder / "lib/deep/tool.py").read_bytes() == b"x = 1\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_everything_belongs_to_the_targets_user(root):
    channel = open_channel(root, NOBODY, NOBODY)
    try:
        channel.put("lib/tool.py", b"")
        folder = folder_of(root, channel)
        assert {path.stat().st_uid for path in (folder, *folder.rglob("*"))} == {NOBODY}
    finally:
        channel.close()
    assert not folder.exists()


def test_records_come_whole_and_once(root, opened):
    out = folder_of(root, opened) / "out.jsonl"
    assert not opened.said_anything()
    with out.open("a") as file:
        file.write('{"record":"a"}\n{"rec')
        file.flush()
        assert [record["record"] for record in opened.read()] == ["a"]
        assert opened.read() == []
        file.write('ord":"b"}\n')
        file.flush()
        assert [record["record"] for record in opened.read()] == ["b"]
    assert opened.said_anything()


def test_commands_are_appended_and_the_heartbeat_shows(root, opened):
    control = folder_of(root, opened) / "control.jsonl"
    opened.send(do="sample", search=True)
    opened.send(do="stop")
    assert control.read_text() == '{"do":"sample","search":true}\n{"do":"stop"}\n'
    os.utime(control, (1, 1))
    opened.beat()
    assert control.stat().st_mtime > 1


def test_what_the_census_wrote_is_fetched_and_nothing_else(root, opened):
    folder = folder_of(root, opened)
    (folder / "census-first.json").write_text('{"objects": 3}')
    (folder / "census-list.json").write_text("[]")
    (folder / "secret").write_text('{"a": 1}')
    (folder / "census-link.json").symlink_to(folder / "secret")
    os.mkfifo(folder / "census-pipe.json")
    assert opened.fetch("census-first.json") == {"objects": 3}
    assert opened.fetch("census-none.json") is None
    assert opened.fetch("census-list.json") is None
    assert opened.fetch("census-link.json") is None
    assert opened.fetch("census-pipe.json") is None


def test_close_removes_everything_and_may_be_called_twice(root):
    channel = open_channel(root, os.geteuid(), os.getegid())
    channel.put("lib/tool.py", b"")
    channel.close()
    channel.close()
    assert list((root / "tmp").iterdir()) == []


def test_a_link_in_the_targets_root_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tmp").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AttachError, match="no folder of the target"):
        open_channel(tmp_path, os.geteuid(), os.getegid())


def test_the_next_folder_is_tried(tmp_path):
    (tmp_path / "dev" / "shm").mkdir(parents=True)
    channel = open_channel(tmp_path, os.geteuid(), os.getegid())
    assert channel.inside.startswith("/dev/shm/leakaudit-")
    channel.close()


def test_a_line_is_one_line():
    assert as_line({"text": "a\nb"}).count("\n") == 1


def left_behind(root, name, age_s):
    folder = root / "tmp" / name
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/tool.py").touch()
    (folder / "script.py").touch()
    for path in (folder / "script.py", folder / "lib", folder):
        os.utime(path, (time.time() - age_s,) * 2)
    return folder


def test_what_a_killed_controller_left_behind_is_removed_by_the_next(root):
    old, new = left_behind(root, "leakaudit-old", 7200), left_behind(root, "leakaudit-new", 7200)
    (new / "control.jsonl").touch()
    other = left_behind(root, "other", 7200)
    open_channel(root, os.geteuid(), os.getegid()).close()
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


def test_what_only_looks_left_behind_stays(root, tmp_path):
    precious = left_behind(tmp_path, "../precious", 7200)
    (root / "tmp/leakaudit-link").symlink_to(precious)
    (root / "tmp/leakaudit-file").touch()
    open_channel(root, os.geteuid(), os.getegid()).close()
    assert (precious / "script.py").exists()
    assert {path.name for path in (root / "tmp").iterdir()} == {"leakaudit-link", "leakaudit-file"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_what_another_user_left_behind_stays(root):
    folder = left_behind(root, "leakaudit-theirs", 7200)
    os.chown(folder, NOBODY, NOBODY)
    os.utime(folder, (time.time() - 7200,) * 2)
    open_channel(root, os.geteuid(), os.getegid()).close()
    assert folder.exists()
