"""Sampling processes from outside: figures that match what the process really holds, None instead of errors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from leakaudit.process import procfs, sampler
from leakaudit.process.logs import is_log
from leakaudit.process.portable import PsutilReader
from leakaudit.process.sample import Details, OpenLog, Private, Stat
from leakaudit.process.sampler import Sampler, take

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def fresh(pid: int = os.getpid()):
    found = take(pid)
    assert found is not None
    return found


def ended_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@linux
def test_it_agrees_with_psutil():
    found, other = fresh(), psutil.Process()
    assert found.pid == os.getpid()
    assert found.stat.parent == os.getppid()
    assert found.stat.name == other.name()
    assert found.rss == pytest.approx(other.memory_info().rss, rel=0.05)
    assert found.stat.started == pytest.approx(other.create_time(), abs=1.5)
    assert found.threads == other.num_threads()
    assert found.stat.cpu_s == pytest.approx(sum(other.cpu_times()[:2]), abs=0.5)
    private = found.details.private
    assert private is not None
    assert 0 < private.uss <= private.pss <= found.rss * 1.1


@linux
def test_descriptors_are_counted_by_kind(tmp_path):
    before = fresh().details.descriptors
    left, right = socket.socketpair()
    ends = os.pipe()
    with left, right, (tmp_path / "data.bin").open("w"), open(os.devnull) as null:
        after = fresh().details.descriptors
        assert null.fileno() > 2
    for fd in ends:
        os.close(fd)
    assert before is not None
    assert after is not None
    assert after.sockets - before.sockets == 2
    assert after.pipes - before.pipes == 2
    assert after.files - before.files == 1
    assert after.other - before.other == 1
    assert after.total - before.total == 6


@linux
def test_open_logs_have_their_size_even_when_deleted(tmp_path):
    kept, gone = tmp_path / "server.log", tmp_path / "old.log.1"
    with kept.open("w") as a, gone.open("w") as b:
        a.write("x" * 1000)
        a.flush()
        b.write("y" * 50)
        b.flush()
        gone.unlink()
        logs = fresh().details.logs
    assert logs is not None
    mine = {log for log in logs if str(tmp_path) in log.path}
    assert mine == {OpenLog(str(kept), 1000), OpenLog(str(gone), 50, deleted=True)}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/log/app/access", True),
        ("/srv/app/server.log", True),
        ("/srv/app/server.log.3", True),
        ("/srv/app/server.LOG", True),
        ("/srv/app/rounds.jsonl", True),
        ("/srv/app/catalogue.db", False),
        ("/usr/lib/logic.so", False),
        ("/dev/log", False),
        ("/proc/1/log", False),
    ],
)
def test_what_counts_as_a_log(path, expected):
    assert is_log(path) is expected


@linux
def test_a_peer_that_does_not_read_shows_as_a_full_send_queue():
    before = fresh().details.send_queues
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with socket.create_connection(server.getsockname()) as client:
            peer, _ = server.accept()
            with peer:
                client.setblocking(False)
                sent = fill(client)
                found = wait_for_full_queue()
                assert found.full == 1
                assert 0 < found.bytes <= sent
    assert before is not None
    assert before.full == 0


def fill(client: socket.socket) -> int:
    sent = 0
    for _ in range(10_000):
        try:
            sent += client.send(b"x" * 65536)
        except BlockingIOError:  # noqa: PERF203
            return sent
    raise AssertionError("the socket never filled")


def wait_for_full_queue():
    # The kernel marks the queue with its probe timer after the peer's last acknowledgement.
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = fresh().details.send_queues
        assert found is not None
        if found.full:
            return found
        time.sleep(0.05)
    raise AssertionError("no full queue within 10 s")


def test_a_vanished_process_is_none():
    pid = ended_pid()
    assert take(pid) is None
    assert take(pid, PsutilReader()) is None
    assert Sampler().reader.command(pid) == ()


@linux
def test_a_zombie_is_counted_by_its_parent_and_not_sampled():
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()  # its end: the child has closed everything, only reaping is left
    deadline = time.monotonic() + 10
    while (stat := procfs.stat(child.pid)) and not stat.is_zombie and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        mine = fresh()
        assert mine.zombies >= 1
        assert mine.children >= mine.zombies
        assert take(child.pid) is None
    finally:
        child.wait()
        child.stdout.close()


@linux
def test_denied_files_leave_their_fields_empty(monkeypatch):
    real = procfs.read
    monkeypatch.setattr(procfs, "read", lambda path: real(path) if path.endswith("/stat") else None)
    monkeypatch.setattr(procfs, "links", lambda pid: None)
    found = fresh()
    assert found.rss > 0
    assert found.details == Details(found.details.time)


@linux
def test_a_name_with_parentheses_and_blanks_is_read(tmp_path):
    program = tmp_path / "a) S (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([str(program), "30"])
    try:
        deadline = time.monotonic() + 10
        # For a moment after its start a process has its new name, and no arguments yet.
        while not procfs.command(child.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        stat = procfs.stat(child.pid)
        assert stat is not None
        assert stat.name == "a) S (b"
        assert stat.parent == os.getpid()
        assert procfs.command(child.pid) == (str(program), "30")
    finally:
        child.kill()
        child.wait()


def test_psutil_reads_the_same_shape():
    found = take(os.getpid(), PsutilReader())
    assert found is not None
    assert found.rss == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert found.details.private is not None
    assert found.details.descriptors is not None
    assert os.getpid() in PsutilReader().table()
    assert PsutilReader().command(os.getpid()) == tuple(psutil.Process().cmdline())


class FakeReader:
    """A reader whose details cost as much CPU as a test wants."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.started, self.cost_s, self.reads = 100.0, cost_s, []

    def stat(self, pid):
        return Stat(pid, 1, "fake", "S", self.started, 0.0, 1, 4096)

    def table(self):
        return {}

    def command(self, pid):
        return ("fake",)

    def details(self, pids):
        result = {}
        for pid in pids:
            self.reads.append(pid)
            end = time.thread_time() + self.cost_s
            while time.thread_time() < end:
                pass
            result[pid] = Details(float(len(self.reads)), private=Private(1, 1, 0))
        return result


def test_a_reused_pid_does_not_inherit_details():
    reader = FakeReader()
    watcher = Sampler(reader, detail_share=0.0)
    first = watcher.take((7,))[7].details
    assert watcher.take((7,))[7].details is first
    reader.started = 200.0
    assert watcher.take((7,))[7].details is not first
    assert reader.reads == [7, 7]


def test_costly_details_are_renewed_in_turn_within_their_share(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(sampler.time, "monotonic", lambda: now[0])
    reader = FakeReader(cost_s=0.004)
    watcher = Sampler(reader, detail_share=0.02)
    watched = range(1, 25)
    watcher.take(watched)  # the first look reads all
    reader.reads.clear()
    for _ in range(10):
        now[0] += 1.0
        watcher.take(watched)
    spent = len(reader.reads) * reader.cost_s
    assert spent <= 10 * 0.02 + 8 * reader.cost_s  # at most one turn of eight over
    assert set(reader.reads) == set(watched)  # nobody is forgotten
