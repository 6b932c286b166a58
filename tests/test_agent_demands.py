"""What a target may do, or be like, while the agent is in it: nothing of that harms either."""

from __future__ import annotations

import os
import time

import pytest
from runtime_target import (
    COPY_PATIENCE_S,
    PATIENCE_S,
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

from leakaudit.runtime import census

PROGRAM = """
import gc, os, sys, weakref, _thread
class Basket:
    def __init__(self): self.items = [1, 2, 3]
class Node:
    def __init__(self): self.items, self.own = [1], self
basket = Basket()
HEAP = [[i] for i in range(20000)]
nodes = [Node() for _ in range(100)]
def fork(times):
    answers = []
    for _ in range(times):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                gc.collect()
                code = 0 if len(os.listdir("/proc/self/task")) == 1 and sum(map(len, HEAP)) == 20000 else 2
            finally:
                os._exit(code)
        answers.append(os.waitpid(pid, 0)[1])
    return answers
def drop_nodes():
    gone = [weakref.ref(node) for node in nodes]
    del nodes[:]
    gc.collect()
    return sum(ref() is not None for ref in gone)
"""


def begin(process, opened, symbol="Basket"):
    ask(process, f"({starter(opened)})")
    opened.put_lines(
        "probes.jsonl", [as_line(0, finding("instance-attribute", "items", symbol, process.args[-1]))]
    )
    opened.send(do="probes")


def sample(opened):
    opened.send(do="sample", search=True)
    found = hear(opened, "sample")
    assert found["record"] == "sample", found
    return found["probes"][0]


def take_census(opened):
    for name, content in census.tools().items():
        opened.put(name, content)
    opened.send(do="census", id="first", cpu_s=COPY_PATIENCE_S, light=False, grew=[], most=10**7)
    assert hear(opened, "census", patience_s=COPY_PATIENCE_S)["done"]
    return opened.fetch("census-first.json")


def test_a_target_that_forks_while_it_is_sampled(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process, channel() as opened:
        begin(process, opened)
        for _ in range(5):
            opened.send(do="sample", search=True)
            assert ask(process, "fork(8)") == [0] * 8
            assert hear(opened, "sample")["probes"][0][2] == 3
        # The copies had no agent that could have answered too.
        opened.send(do="stop")
        assert hear(opened, "bye", "sample")["record"] == "bye"


@pytest.mark.parametrize("delay_s", [0.0, 0.005, 0.02, 0.1])
def test_a_target_that_ends_while_it_is_sampled(tmp_path, delay_s):
    with running(PROGRAM + SERVE, tmp_path) as process, channel() as opened:
        begin(process, opened)
        for _ in range(20):
            opened.send(do="sample", search=True)
        time.sleep(delay_s)
        assert process.communicate(timeout=PATIENCE_S) == ("", "")
        assert process.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_channel_that_is_full(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process, channel() as opened:
        begin(process, opened)
        sample(opened)
        os.unlink(f"{opened.inside}/out.jsonl")
        os.symlink("/dev/full", f"{opened.inside}/out.jsonl")
        opened.send(do="sample", search=True)
        wait_until(lambda: ask(process, "_thread._count()") == 0)
        assert process.communicate(timeout=PATIENCE_S) == ("", "")


def test_a_target_that_does_not_collect(tmp_path):
    with running("import gc\ngc.disable()\n" + PROGRAM + SERVE, tmp_path) as process, channel() as opened:
        begin(process, opened)
        assert sample(opened)[2] == 3
        assert take_census(opened)["containers"]["0"]["entries"] == 3
        assert ask(process, "gc.isenabled()") is False


@pytest.mark.parametrize("version", [v for v in interpreters() if v in ("3.9", "3.11", "3.13", "3.14")])
def test_a_target_with_debugging_allocators(tmp_path, version):
    options = ("-X", "dev", "-W", "ignore")
    with (
        running(PROGRAM + SERVE, tmp_path, interpreters()[version], options=options) as process,
        channel() as opened,
    ):
        begin(process, opened)
        assert sample(opened)[2] == 3
        found = take_census(opened)
        assert found["containers"]["0"]["retained"] > 0
        assert found["live"]["pymalloc"] > 2**20
        opened.send(do="stop")
        hear(opened, "bye")
        assert process.communicate(timeout=PATIENCE_S) == ("", "")


@pytest.mark.parametrize("version", [v for v in interpreters() if v in ("3.11", "3.12", "3.13", "3.14")])
def test_cycles_through_instances_that_were_looked_at_are_still_collected(tmp_path, version):
    # Before 3.13.5 a dict made for an instance could stay unknown to the collector (cpython#133543).
    with running(PROGRAM + SERVE, tmp_path, interpreters()[version]) as process, channel() as opened:
        begin(process, opened, "Node")
        assert sample(opened)[2] == 100
        assert take_census(opened)["containers"]["0"]["holders"] == 100
        assert ask(process, "sum(type(part) is dict for part in gc.get_referents(*nodes))") == 0
        assert ask(process, "drop_nodes()") == 0


def test_the_ledger_counts_the_agent_and_not_the_target(tmp_path):
    figures = []
    for heap in ("", "BIG = [bytearray(1000) for _ in range(50000)]\n"):
        with running(PROGRAM + heap + SERVE, tmp_path) as process, channel() as opened:
            begin(process, opened)
            sample(opened)
            opened.send(do="stop")
            figures.append(hear(opened, "bye")["bytes"])
    assert 50_000 < figures[0] < 500_000
    assert figures[1] == pytest.approx(figures[0], rel=0.2)
