"""The census: what containers retain, and that copying a busy target harms neither it nor the copy."""

from __future__ import annotations

import gc
import os
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from runtime_target import (
    COPY_PATIENCE_S,
    SERVE,
    as_line,
    ask,
    channel,
    finding,
    hear,
    interpreters,
    running,
    starter,
    wait_until,
)

from leakaudit.runtime import agent, census
from leakaudit.runtime.census_child import named_growth, nameless, paths, unlisted
from leakaudit.runtime.census_child import retained as child
from leakaudit.runtime.census_child.clock import Clock
from leakaudit.runtime.census_child.library import library as functions
from leakaudit.runtime.census_child.survey import survey
from leakaudit.runtime.census_child.walk import PART

MIB = 2**20


@pytest.fixture(autouse=True)
def library(monkeypatch):
    """The census uses the agent's functions; here they come from the module."""
    for name, value in vars(agent).items():
        monkeypatch.setitem(functions, name, value)
    monkeypatch.setattr(child, "BORROWED", {})
    agent.learn_types()


class Found:
    """What some containers retain."""

    def __init__(self, *seeds):
        holdings = child.Holdings({0: list(seeds)})
        assert holdings.complete
        self.size = lambda: holdings.retained_bytes(0)
        self.types = lambda: child.types_of(holdings.retained[0])


def retained(*seeds):
    return Found(*seeds)


def measured(named, most=float("inf"), clock=None):
    child.borrow(named)
    return child.measure(named, most, clock or Clock(30.0))


def blob(size=1000):
    return bytearray(size)


def test_what_only_the_container_holds_is_retained():
    held = [blob(), {"key": blob()}]
    assert retained(held).size() > 2000


@pytest.mark.parametrize("kind", [dict, OrderedDict, lambda pairs: defaultdict(list, pairs)])
def test_keys_are_retained_like_values(kind):
    held = kind((f"{number}" * 1000, None) for number in range(10))
    mixed = kind((f"{number}" * 1000, None) for number in range(10, 15))
    mixed[1] = None
    assert retained(held).size() > 10_000
    assert retained(mixed).size() > 10_000
    names = retained(SimpleNamespace(attribute=1))
    assert names.size() < 1000


def test_what_others_hold_too_is_not():
    mine, shared = blob(), blob(50_000)
    held = [mine, shared]
    del mine
    assert 1000 < retained(held).size() < 2000
    assert len(shared) == 50_000


def test_what_is_below_something_shared_is_not():
    shared = {"deep": [blob(50_000)]}
    held = [shared]
    assert retained(held).size() < 1000
    del shared
    assert retained(held).size() > 50_000


def test_cycles_inside_are_retained():
    one, other = {"data": blob()}, {}
    one["other"], other["one"] = other, one
    held = [one]
    del one, other
    assert retained(held).size() > 1000


def test_closures_retain_what_they_capture_and_not_their_module():
    def subscribe():
        updates = blob(30_000)
        return lambda: updates

    held = [subscribe() for _ in range(3)]
    assert 90_000 < retained(held).size() < 100_000


def test_instances_retain_their_attributes():
    class Node:
        def __init__(self):
            self.data = blob(10_000)

    held = {1: Node()}
    found = retained(held)
    assert 10_000 < found.size() < 12_000
    assert sum(name.endswith("Node") for name in found.types()) == 1


def test_several_containers_together_retain_what_they_share():
    shared = blob(40_000)
    one, other = [shared], [shared]
    del shared
    assert retained(one).size() < 1000
    assert retained(one, other).size() > 40_000


def test_a_container_in_another_is_told_apart():
    inner = [blob(20_000)]
    outer = {"inner": inner}
    named = {0: [outer], 1: [inner]}
    del inner, outer
    sizes, holdings = measured(named)
    assert sizes[0]["retained"] > sizes[1]["retained"] > 20_000
    assert sizes[0]["holds"] == [1]
    assert sizes[1]["holds"] == []
    parts = {tuple(sorted(groups)): size for groups, size in holdings.parts}
    assert parts[0, 1] == sizes[1]["retained"]
    assert sum(parts.values()) == sizes[0]["retained"]


def test_what_two_containers_hold_is_told_apart_from_what_each_holds_alone():
    shared, mine, yours = blob(30_000), blob(10_000), blob(5_000)
    named = {0: [[shared, mine]], 1: [{"shared": shared, "yours": yours}]}
    del shared, mine, yours
    sizes, holdings = measured(named)
    parts = {tuple(sorted(groups)): size for groups, size in holdings.parts}
    assert 30_000 < parts[0, 1] < 30_200
    assert 10_000 < parts[0,] < 10_500
    assert 5_000 < parts[1,] < 5_500
    # What would go with one of them is what it holds alone.
    assert (sizes[0]["retained"], sizes[1]["retained"]) == (parts[0,], parts[1,])


def test_a_container_that_the_program_holds_too_is_not_part_of_the_one_it_lies_in():
    inner = [blob(20_000)]
    named = {0: [{"inner": inner}], 1: [inner]}
    sizes, holdings = measured(named)
    assert sizes[0]["retained"] < 1000
    assert sizes[1]["retained"] > 20_000
    assert sorted(groups for groups, _ in holdings.parts) == [(0,), (1,)]
    assert len(inner) == 1


def test_what_meets_only_in_the_program_is_not_shared():
    app = {"everything": [blob(10_000)]}
    named = {0: [[app, blob(2000)]], 1: [[app, blob(3000)]]}
    sizes, _ = measured(named)
    assert 2000 < sizes[0]["retained"] < 3000 < sizes[1]["retained"] < 4000
    assert app


def test_two_probes_of_one_container_are_measured_once():
    held = [blob()]
    sizes, holdings = measured({0: [held], 1: [held]})
    assert sizes[0] is sizes[1]
    assert sizes[0]["holds"] == []
    assert [groups for groups, _ in holdings.parts] == [(0,)]


def test_a_container_named_among_others_and_alone_is_shared():
    one, other = [blob(10_000)], [blob(20_000)]
    named = {0: [one, other], 1: [other]}
    del one, other
    sizes, holdings = measured(named)
    assert {tuple(sorted(groups)): size // 10_000 for groups, size in holdings.parts} == {(0,): 1, (0, 1): 2}
    assert sizes[0]["group"] == 0


@pytest.mark.parametrize(("most", "limit_s"), [(10, 30.0), (float("inf"), -1.0)])
def test_what_there_is_no_time_or_room_to_measure_is_estimated(most, limit_s):
    sizes, holdings = measured({0: [[blob(1000) for _ in range(100)]]}, most, Clock(limit_s))
    assert "retained" not in sizes[0]
    assert 90_000 < sizes[0]["estimate"] < 130_000
    assert holdings.parts == []


def test_more_objects_than_one_step_takes_are_all_found():
    held = {i: [i + 0.5] for i in range(3 * PART)}
    found = retained(held)
    assert found.types() == {"builtins.list": 3 * PART, "builtins.dict": 1}
    least = sum(map(sys.getsizeof, held.values())) + sys.getsizeof(held)
    assert least < found.size() < 3 * least


def test_growing_containers_without_a_name_are_found():
    held = list(range(100))
    before = nameless.lengths([held])
    assert nameless.anonymous(before, frozenset()) == []
    held.extend(range(50))
    assert [(id(obj), was) for obj, was in nameless.anonymous(before, frozenset())] == [(id(held), 100)]
    assert nameless.anonymous(before, frozenset({id(held)})) == []


def numbers():
    seen = []
    while True:
        seen.append((yield))


async def stream():
    buffer = [1, 2]
    yield buffer


def test_local_variables_of_a_generator_have_names():
    suspended = numbers()
    next(suspended)
    suspended.send(7)
    assert survey([suspended]).rows[f"{__name__}:numbers:seen"][:2] == [1, 1]


def test_local_variables_of_an_asynchronous_generator_have_names():
    suspended = stream()
    with pytest.raises(StopIteration):
        suspended.asend(None).send(None)
    assert survey([suspended]).rows[f"{__name__}:stream:buffer"][:2] == [2, 1]


def test_local_variables_of_running_functions_have_names():
    results = list(range(7))
    frame = sys._getframe()
    found = {(owner, name): value for owner, name, value in unlisted.unlisted([], [frame])}
    assert found[f"{__name__}:{frame.f_code.co_name}", "results"] is results


def test_functions_that_are_called_at_a_fork_have_a_name():
    def bell():
        return None

    os.register_at_fork(after_in_child=bell)
    (found,) = (item for item in unlisted.at_fork(gc.get_objects()) if bell in item)
    assert found.pop() is bell


def test_a_class_is_declared_where_its_functions_are_written(monkeypatch):
    monkeypatch.setattr(Found, "__module__", "shop")
    assert set(named_growth.modules_of(Found)) == {"shop", __name__}


def test_a_chain_of_like_objects_is_told_in_one_step():
    def step(text):
        return {"text": text, "module": "m", "owner": "Node", "name": "next"}

    told = list(paths.shortened([step("m.head"), *[step("Node.next")] * 900, step("Node.value")]))
    assert [item["text"] for item in told] == ["m.head", "Node.next (900 times)", "Node.value"]
    assert told[1]["name"] == "next"


def test_a_program_that_shadows_the_standard_library_is_copied_too(tmp_path):
    (tmp_path / "linecache.py").write_text("raise RuntimeError('not the one')\n")
    with running(SERVE, tmp_path) as process, channel() as opened:
        ask(process, f"({starter(opened)})")
        opened.put_lines("probes.jsonl", [])
        for name, content in census.tools().items():
            opened.put(name, content)
        opened.send(do="census", id="first", cpu_s=COPY_PATIENCE_S, light=False, grew=[], most=10**7)
        assert hear(opened, "census").get("done"), opened.fetch("census-error.json")


OF_A_THREAD = """
import contextvars, threading
local, trail = threading.local(), contextvars.ContextVar("trail")
local.rows = [[i] for i in range(70)]
trail.set([[i] for i in range(80)])
def work(count, ready):
    jobs = [[i] for i in range(count)]
    ready.release()
    threading.Event().wait()
ready = threading.Semaphore(0)
threading.Thread(target=work, args=(90, ready), daemon=True).start()
ready.acquire()
"""


@pytest.mark.parametrize("version", [v for v in interpreters() if v != "3.14t"])
def test_what_other_threads_hold_is_in_the_copy(tmp_path, version):
    with running(OF_A_THREAD + SERVE, tmp_path, interpreters()[version]) as process, channel() as opened:
        ask(process, f"({starter(opened)})")
        opened.put_lines("probes.jsonl", [])
        for name, content in census.tools().items():
            opened.put(name, content)
        opened.send(do="census", id="first", cpu_s=COPY_PATIENCE_S, light=True, grew=[], most=10**7)
        assert hear(opened, "census").get("done"), opened.fetch("census-error.json")
        names = opened.fetch("census-first.json")["names"]
        found = {name: row[0] for name, row in names.items() if name.startswith("__main__:")}
        assert (found["__main__::local.rows"], found["__main__::trail"]) == (70, 80)
        # From 3.15 on a copy has nothing left of what runs in other threads.
        assert found.get("__main__:work:jobs") == (None if version == "3.15" else 90)


def test_refusal_by_the_pause_that_copying_costs():
    assert "would pause the target" in census.refusal(os.getpid(), 0.001)


def test_refusal_by_memory(monkeypatch):
    monkeypatch.setattr(census, "_headroom", lambda _: 1)
    assert "less free memory" in census.refusal(os.getpid(), 1e6)


def test_refusal_by_what_does_not_survive_a_fork(monkeypatch):
    monkeypatch.setattr(census, "_unsafe_libraries", lambda _: "libcuda.so.1")
    assert "libcuda.so.1" in census.refusal(os.getpid(), 1e6)


def test_refusal_by_overcommit(monkeypatch, tmp_path):
    (tmp_path / "overcommit").write_text("2\n")
    monkeypatch.setattr(census, "_OVERCOMMIT", tmp_path / "overcommit")
    assert "vm.overcommit_memory" in census.refusal(os.getpid(), 1e6)


BUSY = """
import gc, os, signal, socket, sys, threading, time
signals = []
signal.signal(signal.SIGCHLD, lambda *_: signals.append(1))
os.register_at_fork(before=lambda: signals.append("before"), after_in_parent=lambda: signals.append("parent"))
class Store:
    def __init__(self): self.rows = [[i] * 5 for i in range(20000)]
store = Store()
left, right = socket.socketpair()
steps = [0] * 4
def spin(number):
    while True:
        steps[number] = (steps[number] + sum(range(50))) % 1000003
for number in range(4):
    threading.Thread(target=spin, args=(number,), daemon=True).start()
def closed_at_once():
    # If a copy held the other end, this would see no end of file.
    left.close()
    right.settimeout(5)
    return right.recv(1) == b""
"""


@pytest.mark.parametrize("version", [v for v in interpreters() if v in ("3.8", "3.11", "3.13", "3.15")])
def test_a_busy_target_is_copied_again_and_again(tmp_path, version):
    with running(BUSY + SERVE, tmp_path, interpreters()[version]) as process, channel() as opened:
        ask(process, f"({starter(opened)})")
        opened.put_lines(
            "probes.jsonl", [as_line(0, finding("instance-attribute", "rows", "Store", process.args[-1]))]
        )
        opened.send(do="probes")
        for name, content in census.tools().items():
            opened.put(name, content)
        for number in range(5):
            command = {"id": str(number), "cpu_s": COPY_PATIENCE_S, "light": number < 4}
            opened.send(do="census", **command, grew=[], most=10**7)
            assert hear(opened, "census", patience_s=COPY_PATIENCE_S).get("done"), number
            result = opened.fetch(f"census-{number}.json")
            assert result["counts"]["0"][:3] == [1, 20000, 20000]
        assert result["containers"]["0"]["retained"] > 20000 * 5 * 8
        assert result["containers"]["0"]["deep"] > 20000 * 5 * 8
        assert result["live"]["pymalloc"] > MIB
        assert ask(process, "closed_at_once()")
        assert ask(process, "signals") == []
        children = Path(f"/proc/{process.pid}/task").glob("*/children")
        assert [pid for file in children for pid in file.read_text().split()] == []
        before = ask(process, "steps")
        wait_until(lambda: all(now != was for now, was in zip(ask(process, "steps"), before, strict=True)))


def test_a_copy_that_hangs_is_ended(tmp_path):
    with running(SERVE, tmp_path) as process, channel() as opened:
        source = (
            Path(agent.__file__)
            .read_text()
            .replace("CHILD_TRIES, CHILD_ALIVE_S = 3, 2.0", "CHILD_TRIES, CHILD_ALIVE_S = 2, 0.3")
        )
        os.unlink(f"{opened.inside}/agent.py")
        opened.put("agent.py", source.encode())
        cloner = Path(f"{opened.inside}/cloner.py")
        text = cloner.read_text()
        cloner.write_text(text.replace("        gc.disable()\n", "        import time; time.sleep(1000)\n"))
        assert cloner.read_text() != text
        ask(process, f"({starter(opened)})")
        opened.send(do="census", id="first", cpu_s=20.0, light=True, grew=[], most=10**7)
        assert hear(opened, "census")["done"] is False
        assert Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text() == ""
        assert ask(process, "1 + 1") == 2


def test_the_tools_that_the_copy_imports_are_found():
    tools = set(census.tools())
    assert {"lib/objgraph.py", "lib/pympler/__init__.py", "lib/pympler/asizeof.py"} < tools
    assert {"lib/census_child/__init__.py", "lib/census_child/take.py"} < tools


def test_a_copy_may_look_at_as_many_objects_as_there_is_memory_for(monkeypatch):
    rss = psutil.Process().memory_info().rss
    monkeypatch.setattr(census, "_headroom", lambda _: 4 * rss + 300 * 10**6)
    assert census.most_objects(os.getpid()) > 10**6
    monkeypatch.setattr(census, "_headroom", lambda _: 1)
    assert census.most_objects(os.getpid()) == 0
