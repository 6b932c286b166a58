"""Selection and monitor over a machine made by hand: processes come, go, and reuse pids."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from leakaudit.errors import UsageError
from leakaudit.process import record, sampler
from leakaudit.process.budget import Ledger, parse_budget
from leakaudit.process.monitor import KEPT_GONE, WORTH_KEEPING, Monitor
from leakaudit.process.sample import CgroupMemory, Descriptors, Details, Private, Stat
from leakaudit.process.sampler import Sampler
from leakaudit.process.selection import Selection, ancestors, descendants, parse_grouping, parse_pattern
from leakaudit.process.summary import outcomes
from leakaudit.process.trend import Shape

MIB = 2**20
LONG_AGO = 1000.0


class Machine:
    """A reader whose processes a test starts, changes and ends."""

    def __init__(self) -> None:
        self.stats: dict[int, Stat] = {}
        self.commands: dict[int, tuple[str, ...]] = {}
        self.known: dict[int, Details] = {}

    def run(
        self, pid: int, *command: str, parent: int = 1, rss: float = 10, started: float = LONG_AGO, **more
    ) -> None:
        self.stats[pid] = Stat(pid, parent, "python", "S", started, 0.0, 1, int(rss * MIB))
        self.commands[pid] = ("python3", *command)
        self.known[pid] = Details(0.0, **more)

    def hold(self, pid: int, rss: float) -> None:
        self.stats[pid] = replace(self.stats[pid], rss=int(rss * MIB))

    def end(self, pid: int) -> None:
        del self.stats[pid]

    def stat(self, pid):
        return self.stats.get(pid)

    def table(self):
        return dict(self.stats)

    def command(self, pid):
        return self.commands[pid]

    def details(self, pids):
        return {pid: self.known[pid] for pid in pids}


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(sampler, "TABLE_EVERY_S", 0.0)
    return Machine()


@pytest.fixture
def clock(monkeypatch):
    now = [10_000.0]
    monkeypatch.setattr(sampler.time, "time", lambda: now[0])
    return now


def federation(machine: Machine) -> None:
    machine.run(10, "/srv/server/main.py", rss=100)
    for i, name in enumerate(("agg_0", "agg_1", "tac_0")):
        machine.run(20 + i, "/srv/nodes/__main__.py", "--names", name, parent=10, rss=20)
    machine.run(99, "/other/thing.py")


def monitor(machine, *budgets: str, **selection) -> Monitor:
    watched = Monitor(
        Selection(machine, **selection),
        Sampler(machine, detail_share=float("inf")),
        Ledger(parse_budget(b) for b in budgets),
    )
    watched.start()
    return watched


def pids(moment) -> list[int]:
    return sorted(row.sample.pid for row in moment.rows)


def test_by_pid_by_pattern_and_with_children(machine):
    federation(machine)
    assert pids(monitor(machine, pids=(10,)).look()) == [10]
    assert pids(monitor(machine, pids=(10,), children=True).look()) == [10, 20, 21, 22]
    assert pids(monitor(machine, match=parse_pattern("nodes/.*agg", "--match")).look()) == [20, 21]
    assert pids(monitor(machine, pids=(99,), match=parse_pattern("server", "--match")).look()) == [10, 99]


def test_groups_by_name_and_by_pattern(machine):
    federation(machine)
    seen = monitor(machine, pids=(10,), children=True).look()
    assert [(g.name, g.count, g.rss // MIB) for g in seen.groups] == [
        ("agg_", 2, 40),
        ("server", 1, 100),
        ("tac_", 1, 20),
    ]
    assert (seen.total.count, seen.total.rss // MIB) == (4, 160)
    groups = (parse_grouping("everything=nodes/"), parse_grouping("server"))
    seen = monitor(machine, pids=(10,), children=True, groups=groups).look()
    assert [(g.name, g.count) for g in seen.groups] == [("everything", 3), ("server", 1)]


def test_nothing_to_watch(machine):
    federation(machine)
    machine.stats[50] = Stat(50, 1, "python", "Z", 1.0, 0.0, 1, 0)
    for selection, cause in (
        ({"pids": (12345,)}, "there is no process 12345"),
        ({"pids": (50,)}, "process 50 has ended and only waits to be reaped"),
        (
            {"match": parse_pattern("no such thing", "--match")},
            "no command line of a running process matches 'no such thing'",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            monitor(machine, **selection)
        assert caught.value.cause == cause
        assert caught.value.remedy


def test_patterns_that_are_none():
    with pytest.raises(UsageError, match="is not a regular expression"):
        parse_pattern("(", "--match")
    with pytest.raises(UsageError, match="is not a regular expression"):
        parse_grouping("a=(")


def test_the_monitor_and_what_started_it_do_not_match_themselves(machine):
    machine.run(os.getpid(), "monitor", "--match", "server", parent=500)
    machine.run(500, "sh", "-c", "monitor --match server")
    machine.run(10, "/srv/server/main.py")
    assert pids(monitor(machine, match=parse_pattern("server", "--match")).look()) == [10]


def test_processes_come_and_go(machine):
    federation(machine)
    watched = monitor(machine, match=parse_pattern("nodes", "--match"))
    first = watched.look()
    assert [m.pid for m in first.came] == [20, 21, 22]
    machine.end(21)
    machine.run(30, "/srv/nodes/__main__.py", "--names", "agg_7", parent=10)
    second = watched.look()
    assert [m.label for m in second.came] == ["agg_7"]
    assert [m.label for m in second.gone] == ["agg_1"]
    assert pids(second) == [20, 22, 30]


def test_a_pid_used_again_is_another_process(machine):
    federation(machine)
    watched = monitor(machine, pids=(10,))
    watched.look()
    machine.run(10, "/somebody/else.py", started=LONG_AGO + 1)
    assert pids(watched.look()) == []
    matching = monitor(machine, match=parse_pattern("nodes|new", "--match"))
    matching.look()
    machine.run(20, "/srv/new.py", started=LONG_AGO + 5)
    seen = matching.look()
    assert [m.pid for m in seen.came] == [m.pid for m in seen.gone] == [20]
    assert next(row.member.label for row in seen.rows if row.sample.pid == 20) == "new"


def test_a_process_that_has_just_forked_is_asked_again(machine, monkeypatch):
    now = time.time()
    machine.run(10, "/srv/parent.py", started=now)
    watched = monitor(machine, pids=(10,))
    watched.look()
    machine.commands[10] = ("python3", "/srv/child.py")
    assert watched.look().rows[0].member.label == "child"
    monkeypatch.setattr("leakaudit.process.selection.time.time", lambda: now + 10)
    watched.look()
    machine.commands[10] = ("python3", "/srv/grandchild.py")
    assert watched.look().rows[0].member.label == "child"


def test_changes_and_processor_time(machine, clock):
    machine.run(10, "/srv/server/main.py", rss=100)
    watched = monitor(machine, pids=(10,))
    first = watched.look().rows[0]
    assert (first.change, first.cpu) == (0, None)
    clock[0] += 2.0
    machine.stats[10] = replace(machine.stats[10], rss=103 * MIB, cpu_s=0.5)
    second = watched.look()
    assert (second.rows[0].change, second.rows[0].cpu) == (3 * MIB, 0.25)
    assert second.total.change == 3 * MIB


def test_proportional_memory_is_summed_where_all_tell_it(machine):
    machine.run(10, "/a.py", private=Private(1, 5 * MIB, 0))
    machine.run(11, "/a.py", private=Private(1, 6 * MIB, 0))
    watched = monitor(machine, match=parse_pattern("a.py", "--match"))
    assert watched.look().total.pss == 11 * MIB
    machine.run(12, "/a.py")
    assert watched.look().total.pss is None


def watch(watched: Monitor, machine: Machine, clock: list[float], moments: int, rss) -> None:
    for i in range(moments):
        clock[0] += 1.0
        for pid, value in rss(i).items():
            machine.hold(pid, value)
        watched.look()


def test_outcomes_name_what_grows_and_when_it_reaches_its_limit(machine, clock):
    federation(machine)
    cgroup = CgroupMemory("/pod", 0, 50 * MIB, 1000 * MIB)
    machine.known[10] = Details(0.0, descriptors=Descriptors(sockets=3), cgroup=cgroup)
    watched = monitor(machine, "server=200MiB", pids=(10,), children=True)
    watch(watched, machine, clock, 64, lambda i: {10: 100 + i})
    found = {(o.name, o.what): o for o in outcomes(watched, available=500 * MIB)}
    server = found["server", "RSS"]
    assert server.trend.shape is Shape.STEADY_GROWTH
    assert server.limit == "budget server"
    assert server.forecast.expected_s == pytest.approx(37, rel=0.05)
    assert found["total", "RSS"].limit == "the machine's free memory"
    assert found["total", "RSS"].forecast.expected_s == pytest.approx(500, rel=0.05)
    assert found["agg_0", "RSS"].trend.shape is Shape.STABLE
    assert found["agg_", "RSS"].last == 40 * MIB
    assert ("tac_", "RSS") not in found  # a group of one is the process itself
    assert found["server", "descriptors"].last == 3
    assert found["cgroup /pod", "working set"].last == 50 * MIB
    assert not watched.ledger.overruns


def test_an_overrun_is_remembered(machine, clock):
    federation(machine)
    watched = monitor(machine, "server=105MiB", "total=1GB", pids=(10,), children=True)
    watch(watched, machine, clock, 5, lambda i: {10: 110 if i == 2 else 100})
    assert [(o.budget.text, o.who, o.largest) for o in watched.ledger.overruns] == [
        ("server", "server", 110 * MIB)
    ]
    assert watched.ledger.overruns[0].since == 10_003.0


def test_memory_stays_bounded_when_processes_churn(machine, clock):
    machine.run(10, "/srv/pool.py")
    watched = monitor(machine, match=parse_pattern("pool|worker", "--match"))
    for generation in range(KEPT_GONE + 20):
        pid = 100 + generation
        machine.run(pid, f"/srv/worker{generation}.py")
        for _ in range(WORTH_KEEPING if generation % 2 == 0 else 3):
            clock[0] += 1.0
            watched.look()
        machine.end(pid)
    watched.look()
    assert len(watched.tracks) == 1
    assert len(watched.ended) == (KEPT_GONE + 20) // 2  # those that lived long enough for a trend
    for generation in range(60):
        machine.run(1000 + generation, "/srv/worker.py")
        watch(watched, machine, clock, WORTH_KEEPING, lambda i: {})
        machine.end(1000 + generation)
    watched.look()
    assert len(watched.ended) == KEPT_GONE
    assert len(watched.sums) <= KEPT_GONE


def test_records_are_plain_data(machine, clock):
    federation(machine)
    machine.known[10] = Details(
        1.0,
        private=Private(1, 2, 3),
        descriptors=Descriptors(1, 2, 3, 4),
        cgroup=CgroupMemory("/pod", 9, 8, None),
    )
    watched = monitor(machine, pids=(10,))
    kinds = [item["kind"] for item in record.moment(watched.look())]
    assert kinds == ["came", "sample", "group", "cgroup", "total"]
    sample = next(item for item in record.moment(watched.look()) if item["kind"] == "sample")
    assert sample["descriptors"] == {"sockets": 1, "files": 2, "pipes": 3, "other": 4}
    assert sample["private"] == {"uss": 1, "pss": 2, "swap": 3}
    assert sample["logs"] is None
    assert record.line(sample).endswith("}\n")
    machine.end(10)
    assert [item["kind"] for item in record.moment(watched.look())] == ["gone"]


def test_family():
    table = {
        pid: Stat(pid, parent, "", "S", 0.0, 0.0, 1, 0)
        for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 1), (9, 9))
    }
    assert list(ancestors(3, table)) == [3, 2, 1]
    assert list(ancestors(9, table)) == [9]
    assert set(descendants({1}, table)) == {2, 3, 4}
    assert set(descendants({2, 9}, table)) == {3}
