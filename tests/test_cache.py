"""The cache: what it keeps, what it survives, and what it leaves alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from leakaudit.facts.extract import extract
from leakaudit.facts.model import FileFacts
from leakaudit.scan import cache as module
from leakaudit.scan import versions
from leakaudit.scan.cache import LAYOUT, Cache
from leakaudit.scan.records import FileRecord, ScanRecord
from leakaudit.scan.versions import content_key

FACTS = extract("seen = {}\n\ndef add(key):\n    seen[key] = 1  # leakaudit: bounded=keys are few\n")


def encoded(facts: FileFacts = FACTS) -> bytes:
    return msgspec.msgpack.encode(facts)


def file_of(folder: Path) -> Path:
    (found,) = folder.glob("*.sqlite")
    return found


def damage(path: Path, start: int) -> None:
    """Overwrite all that follows `start`, in the file and in what is not yet merged into it."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = path.read_bytes()
    path.write_bytes(data[:start] + b"\xff" * (len(data) - start))


def test_facts_come_back_as_they_were(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        assert not cache.holds_facts
        cache.store({"k1": encoded()})
        assert cache.holds_facts
    with Cache(tmp_path) as cache:
        assert cache.load(["k1", "unknown", ""]) == {"k1": FACTS}


def test_more_facts_than_fit_into_one_question(tmp_path: Path) -> None:
    blobs = {f"key {number}": encoded() for number in range(1201)}
    with Cache(tmp_path) as cache:
        cache.store(blobs)
        assert cache.load(blobs).keys() == blobs.keys()


def test_a_scan_comes_back_as_it_was(tmp_path: Path) -> None:
    record = ScanRecord((FileRecord("a.py", "stamp", "key", 7),), "version", b"outcome", {"print": 1})
    with Cache(tmp_path) as cache:
        assert cache.last_scan("here") is None
        cache.keep_scan("here", record)
    with Cache(tmp_path) as cache:
        assert cache.last_scan("here") == record
        assert cache.last_scan("there") is None


def test_what_is_no_database_is_replaced(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.store({"k": encoded()})
    file_of(tmp_path).write_bytes(b"this is no database, and long enough to look like one" * 100)
    with Cache(tmp_path) as cache:
        assert cache.load(["k"]) == {}
        cache.store({"k": encoded()})
        assert cache.load(["k"]) == {"k": FACTS}


@pytest.mark.parametrize("start", [100, 4096, 8192])
def test_a_broken_database_is_a_miss_and_heals(tmp_path: Path, start: int) -> None:
    blobs = {f"key {number}": encoded() for number in range(200)}
    with Cache(tmp_path) as cache:
        cache.store(blobs)
    damage(file_of(tmp_path), start)
    for _ in range(2):  # the first one may only find out
        with Cache(tmp_path) as cache:
            cache.load(blobs)
            cache.last_scan("here")
            cache.store(blobs)
            cache.keep_scan("here", ScanRecord(()))
    with Cache(tmp_path) as cache:
        assert cache.load(blobs).keys() == blobs.keys()
        assert cache.last_scan("here") == ScanRecord(())


def test_a_damaged_entry_is_a_miss(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.store({"good": encoded(), "bad": encoded()[:-5], "other": b"\x01"})
        assert cache.load(["good", "bad", "other"]) == {"good": FACTS}


def test_a_file_of_another_layout_is_left_alone(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        cache.store({"k": encoded()})
    path = file_of(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={LAYOUT + 1}")
    connection.close()
    with Cache(tmp_path) as cache:
        assert cache.load(["k"]) == {}
        cache.store({"k2": encoded()})
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT key FROM facts").fetchall() == [("k",)]
    connection.close()


def test_a_folder_that_cannot_be_made_means_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Cache(tmp_path / "file" / "cache") as cache:
        cache.store({"k": encoded()})
        cache.keep_scan("here", ScanRecord(()))
        assert cache.load(["k"]) == {}
        assert cache.last_scan("here") is None


def test_a_read_only_file_is_a_miss_for_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Cache(tmp_path) as cache:
        cache.store({"k": encoded()})
    real = sqlite3.connect

    def read_only(path: Path, **options: object) -> sqlite3.Connection:
        return real(f"file:{path}?mode=ro", uri=True, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(module.sqlite3, "connect", read_only)
    with Cache(tmp_path) as cache:
        cache.store({"new": encoded()})
        assert cache.load(["k", "new"]) == {"k": FACTS}


def test_a_locked_file_is_a_miss_not_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Cache(tmp_path) as cache:
        cache.store({"k": encoded()})
    real = sqlite3.connect
    monkeypatch.setattr(
        module.sqlite3, "connect", lambda path, **options: real(path, **{**options, "timeout": 0})
    )
    other = real(file_of(tmp_path), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with Cache(tmp_path) as cache:
        cache.store({"lost": encoded()})
    other.execute("COMMIT")
    other.close()
    with Cache(tmp_path) as cache:
        assert cache.load(["k", "lost"]) == {"k": FACTS}


def test_the_size_is_bounded_and_the_oldest_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000, 2_000_000))
    monkeypatch.setattr(module, "_now", lambda: next(clock))
    blob = msgspec.msgpack.encode("x" * 10_000)
    limit = 400_000
    with Cache(tmp_path, limit) as cache:
        for number in range(100):
            cache.store({f"key {number}": blob})
    with sqlite3.connect(file_of(tmp_path)) as connection:
        kept = {key for (key,) in connection.execute("SELECT key FROM facts")}
    connection.close()
    assert 0 < len(kept) * len(blob) <= limit
    assert kept == {f"key {number}" for number in range(100 - len(kept), 100)}


def test_what_is_used_again_is_not_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000]
    monkeypatch.setattr(module, "_now", lambda: now[0])
    with Cache(tmp_path) as cache:
        cache.store({"old": encoded(), "used": encoded()})
        now[0] += 2 * 86_400
        cache.store({"new": encoded()})
        cache.load(["used"])
        ages = dict(cache._rows("SELECT key, used FROM facts"))
    assert ages["old"] < ages["used"] == ages["new"]


WRITER = """
import sys
from pathlib import Path
from leakaudit.scan.cache import Cache
from leakaudit.scan.records import FileRecord, ScanRecord
name, folder, blob = sys.argv[1], Path(sys.argv[2]), bytes.fromhex(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
with Cache(folder) as cache:
    for number in range(40):
        cache.store({f"{name} {number} {i}": blob for i in range(10)} | {f"shared {number}": blob})
        cache.keep_scan("same", ScanRecord((FileRecord(name, "", str(number)),)))
        cache.load([f"shared {n}" for n in range(number)])
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    names = ("first", "second")
    writers = [
        subprocess.Popen(
            (sys.executable, "-c", WRITER, name, str(tmp_path), encoded().hex()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            _go(writer)
        for writer in writers:
            assert writer.wait(60) == 0
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    wanted = {f"{name} {number} {i}" for name in names for number in range(40) for i in range(10)}
    with Cache(tmp_path) as cache:
        assert cache.load(wanted).keys() == wanted
        last = cache.last_scan("same")
        assert last is not None
        assert last.files[0].key == "39"


def _go(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()


def test_the_key_names_the_code_that_extracts() -> None:
    reached = {path.name for path in versions._reached("facts/extract.py")}
    assert {"extract.py", "walk.py", "tables.py", "suppression.py", "classify.py", "printing.py"} <= reached
    assert not {"judge.py", "project.py"} & reached, "what only links needs no new extraction"


def test_other_code_means_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = content_key(b"x = 1")
    assert content_key(b"x = 1") == before != content_key(b"x = 2")
    monkeypatch.setattr(versions, "facts_version", lambda: "another")
    assert content_key(b"x = 1") != before


def test_the_version_of_findings_covers_the_rules(tmp_path: Path) -> None:
    rule = tmp_path / "mine.py"
    rule.write_text("a = 1\n")
    before = versions.findings_version([tmp_path])
    assert versions.findings_version([tmp_path]) == before
    rule.write_text("a = 2\n")
    assert versions.findings_version([tmp_path]) != before
