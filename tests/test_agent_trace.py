"""What the agent leaves behind in a target: nothing; on every Python that this machine has."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from runtime_target import (
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
import gc, os, sys, threading, _thread, atexit, signal
class Basket:
    def __init__(self): self.items = [1, 2, 3]
basket = Basket()
def name_of(descriptor):
    # Where ctypes was not loaded before, its library keeps its own file open; that cannot be undone.
    try:
        name = os.readlink("/proc/self/fd/" + descriptor)
    except OSError:
        return ""
    return "" if "libffi" in name else descriptor + name
def state():
    gc.collect()
    return {
        "modules": sorted(name for name in sys.modules),
        "main": sorted(vars(sys.modules["__main__"])),
        "threads": [_thread._count(), len(os.listdir("/proc/self/task")), len(threading.enumerate())],
        "files": sorted(filter(None, map(name_of, os.listdir("/proc/self/fd")))),
        "children": open("/proc/self/task/%d/children" % os.getpid()).read(),
        "gc": [gc.isenabled(), gc.get_threshold(), len(gc.callbacks), gc.get_freeze_count(), gc.get_debug()],
        "hooks": [len(sys.path), len(sys.meta_path), len(sys.path_hooks), atexit._ncallbacks()],
        "settings": [sys.getswitchinterval(), sys.dont_write_bytecode, sys.getrecursionlimit(), os.getcwd()],
        "tracing": [sys.gettrace() is None, sys.getprofile() is None],
        "signals": [str(signal.getsignal(n)) for n in (2, 15, 17)],
        "agent": sum(type(o).__module__.startswith("leakaudit") for o in gc.get_objects()),
        "dicts": sum(type(o) is dict for o in gc.get_referents(basket)),
    }
"""


def take_part(opened, process, with_census):
    """Let the agent do all that it can, and end it."""
    heard = []

    def answer(kind):
        wait_until(
            lambda: heard.extend(opened.read()) or [r for r in heard if r["record"] in (kind, "failed")]
        )
        (found,) = [record for record in heard if record["record"] in (kind, "failed")]
        assert found["record"] == kind, found
        return found

    opened.send(do="modules")
    assert "__main__" in answer("modules")["files"]
    probe = finding("instance-attribute", "items", "Basket", process.args[-1], "target")
    opened.put_lines("probes.jsonl", [as_line(0, probe)])
    opened.send(do="probes")
    opened.send(do="sample", search=True)
    assert answer("sample")["probes"][0][2] == 3
    if with_census:
        for name, content in census.tools().items():
            opened.put(name, content)
        opened.send(do="census", id="first", cpu_s=20.0, light=False, grew=[], most=10**7)
        assert answer("census")["done"]
        assert opened.fetch("census-first.json")["containers"]["0"]["entries"] == 3
    opened.send(do="stop")
    return answer("bye")


@pytest.mark.parametrize("version", list(interpreters()))
@pytest.mark.parametrize("with_census", [False, True], ids=["samples", "census"])
def test_the_agent_leaves_no_trace(tmp_path, version, with_census):
    with running(PROGRAM + SERVE, tmp_path, interpreters()[version]) as process:
        ask(process, "state()")  # the first call imports what it needs
        before = ask(process, "state()")
        with channel() as opened:
            ask(process, f"({starter(opened)})")
            bye = take_part(opened, process, with_census)
            assert bye["reason"] == "stop"
            inside = opened.inside
        after = wait_until(lambda: (now := ask(process, "state()"))["threads"] == before["threads"] and now)
        assert after == before
        assert not Path(inside).exists()


def test_nothing_is_printed(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process:
        with channel() as opened:
            ask(process, f"({starter(opened)})")
            take_part(opened, process, with_census=True)
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


def test_the_agent_ends_and_tidies_up_when_the_controller_is_gone(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process:
        before = ask(process, "state()")["threads"]
        with channel(lease_s=2.0) as opened:
            ask(process, f"({starter(opened)})")
            wait_until(opened.said_anything)
            opened.beat()
            assert ask(process, "_thread._count()") == before[0] + 1
            # No sign of life from now on.
            wait_until(lambda: not Path(opened.inside).exists())
            wait_until(lambda: ask(process, "_thread._count()") == before[0])


def test_the_agent_lives_as_long_as_the_controller_does(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process, channel(lease_s=2.0) as opened:
        ask(process, f"({starter(opened)})")
        end = time.monotonic() + 4.5
        while time.monotonic() < end:
            opened.beat()
            time.sleep(0.1)
        opened.send(do="stop")
        last = wait_until(lambda: [r for r in opened.read() if r["record"] == "bye"])
        assert last[0]["reason"] == "stop"


def test_the_agent_ends_at_its_deadline(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process, channel(deadline_s=0.3) as opened:
        ask(process, f"({starter(opened)})")
        last = wait_until(lambda: opened.beat() or [r for r in opened.read() if r["record"] == "bye"])
        assert last[0]["reason"] == "deadline"


def test_the_agent_ends_when_its_channel_is_removed(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process:
        with channel() as opened:
            ask(process, f"({starter(opened)})")
            wait_until(opened.said_anything)
        wait_until(lambda: ask(process, "_thread._count()") == 0)


def test_the_agent_starts_in_this_process():
    import threading

    from leakaudit.runtime import agent

    before = threading.active_count()
    with channel() as opened:
        agent.start(opened.inside)
        wait_until(opened.said_anything)
        opened.send(do="stop")
        records = []
        wait_until(lambda: records.extend(opened.read()) or records[-1]["record"] == "bye")
        assert [record["record"] for record in records] == ["hello", "bye"]
        assert records[0]["pid"] == os.getpid()
    assert threading.active_count() == before


def sample_of(process, opened, item):
    """Return the one row of a sample that looks for one finding, and the sample."""
    ask(process, f"({starter(opened)})")
    opened.put_lines("probes.jsonl", [as_line(0, item)])
    opened.send(do="probes")
    opened.send(do="sample", search=True)
    sample = hear(opened, "sample")
    assert sample["record"] == "sample", sample
    return (sample["probes"] or [None])[0], sample


def test_a_frozen_heap_is_walked_from_the_modules(tmp_path):
    with running(PROGRAM + "gc.freeze()\n" + SERVE, tmp_path) as process, channel() as opened:
        item = finding("instance-attribute", "items", "Basket", process.args[-1])
        row, sample = sample_of(process, opened, item)
        assert row[2] == 3
        assert "frozen" in sample["partial"]
        assert ask(process, "gc.get_freeze_count() > 1000")


def test_a_target_without_site_packages(tmp_path):
    with running(PROGRAM + SERVE, tmp_path, options=("-I", "-S")) as process, channel() as opened:
        before = ask(process, "sorted(sys.modules)")
        row, _ = sample_of(
            process, opened, finding("instance-attribute", "items", "Basket", process.args[-1])
        )
        assert row[2] == 3
        opened.send(do="stop")
        assert hear(opened, "bye")["reason"] == "stop"
        wait_until(lambda: ask(process, "sorted(sys.modules)") == before)


GEVENT = """
import sys, time, types, _thread
real = {"start_new_thread": _thread.start_new_thread, "sleep": time.sleep}
def refused(*_): raise RuntimeError("this is not the real one")
monkey = types.ModuleType("gevent.monkey")
monkey.saved = {"_thread": {"start_new_thread": _thread.start_new_thread}, "time": {"sleep": time.sleep}}
sys.modules["gevent.monkey"] = monkey
_thread.start_new_thread = refused
time.sleep = refused
"""


def test_functions_that_gevent_replaced_are_not_used(tmp_path):
    with running(PROGRAM + GEVENT + SERVE, tmp_path) as process, channel() as opened:
        row, _ = sample_of(
            process, opened, finding("instance-attribute", "items", "Basket", process.args[-1])
        )
        assert row[2] == 3


def test_an_odd_probe_does_not_cost_the_others_their_sample(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process, channel() as opened:
        ask(process, f"({starter(opened)})")
        good = as_line(0, finding("instance-attribute", "items", "Basket", process.args[-1]))
        odd = {
            **as_line(1, finding("instance-attribute", "items", "Basket", process.args[-1])),
            "attribute": 7,
        }
        opened.put_lines("probes.jsonl", [odd, good])
        opened.send(do="probes")
        opened.send(do="sample", search=True)
        sample = hear(opened, "sample")
        assert [row[0] for row in sample["probes"]] == [0]
        assert "failed" in sample["unresolved"]["1"]


def test_an_unknown_command_is_passed_over(tmp_path):
    with running(PROGRAM + SERVE, tmp_path) as process, channel() as opened:
        ask(process, f"({starter(opened)})")
        opened.send(do="dance")
        opened.send(do="stop")
        assert hear(opened, "bye")["reason"] == "stop"
