"""The session file: complete at every moment, read back after a crash, refused when it is not ours."""

from __future__ import annotations

import json
import os

import pytest

from leakaudit.errors import SessionError
from leakaudit.runtime.session import VERSION, Session, read_session

HEAD = {"record": "session", "version": VERSION, "pid": 1}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit.session.jsonl"


def written(path, *records):
    session = Session(path)
    for record in records:
        session.append(record)
    return session


def test_every_record_is_in_the_file_at_once(path):
    session = Session(path)
    for number in range(3):
        session.add("sample", t=number)
        assert len(path.read_text().splitlines()) == number + 1
    session.close()


def test_reads_back_what_was_written(path):
    written(
        path, HEAD, {"record": "sample", "t": 1.5, "text": "ä\n"}, {"record": "end", "reason": ""}
    ).close()
    session = read_session(path)
    assert [record["record"] for record in session.records] == ["session", "sample", "end"]
    assert session.first("sample") == {"record": "sample", "t": 1.5, "text": "ä\n"}
    assert session.first("nothing") is None


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_last_line_that_was_cut_off_is_left_out(path, cut):
    written(path, HEAD, {"record": "sample", "t": 1}, {"record": "sample", "t": 2, "more": "x" * 20}).close()
    path.write_bytes(path.read_bytes()[: -cut - 1])
    assert [record.get("t") for record in read_session(path).of("sample")] == [1]


def test_every_cut_leaves_a_readable_session_or_says_why_not(path, tmp_path):
    written(path, HEAD, *({"record": "sample", "t": t} for t in range(4))).close()
    whole = path.read_bytes()
    other = tmp_path / "cut.jsonl"
    for length in range(len(whole)):
        other.write_bytes(whole[:length])
        try:
            session = read_session(other)
        except SessionError:
            assert length < len(json.dumps(HEAD))
        else:
            assert len(session.records) >= whole[:length].count(b"\n")


def test_damage_in_the_middle_is_refused(path):
    written(path, HEAD, {"record": "sample"}, {"record": "sample"}).close()
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:-3], lines[2]]) + "\n")
    with pytest.raises(SessionError, match="line 2"):
        read_session(path)


def test_a_newer_version_is_refused(path):
    written(path, {**HEAD, "version": VERSION + 1}).close()
    with pytest.raises(SessionError, match="newer leakaudit"):
        read_session(path)


@pytest.mark.parametrize("text", ["", "{}\n", "[1]\n", '{"record": "sample"}\n', "no json\n"])
def test_other_files_are_refused(path, text):
    path.write_text(text)
    with pytest.raises(SessionError):
        read_session(path)


def test_an_existing_file_is_not_overwritten(path):
    path.write_text("mine")
    with pytest.raises(SessionError, match="exists"):
        Session(path)
    assert path.read_text() == "mine"


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(SessionError, match="cannot be written"):
        Session(tmp_path / "none" / "x.jsonl")


def test_an_unreadable_file_is_said(tmp_path):
    with pytest.raises(SessionError, match="cannot be read"):
        read_session(tmp_path / "none.jsonl")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk is made of /dev/full")
def test_a_full_disk_ends_the_file_and_not_the_audit(path):
    session = written(path, HEAD)
    session._file = open("/dev/full", "w")  # noqa: SIM115
    for t in range(3):
        session.add("sample", t=t)
    session.close()
    assert [record["t"] for record in session.of("sample")] == [0, 1, 2]
    assert [record["text"] for record in session.of("note")] == [session.broken]
    assert session.broken == f"{path} could not be written to its end: No space left on device"
    assert read_session(path).records == [HEAD]
