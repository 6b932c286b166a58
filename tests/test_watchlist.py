"""What the runtime half watches beside the findings of rules."""

from __future__ import annotations

from leakaudit.facts.extract import extract
from leakaudit.findings.model import ProbeKind
from leakaudit.scan.watchlist import watchlist

SOURCE = """
import asyncio, atexit, threading, weakref

async def follow(order): ...

def watch(machine): ...

def helper(): ...

class Pump(threading.Thread): ...

class Upload:
    def __init__(self):
        atexit.register(helper)
        weakref.finalize(self, self.remove)

    def remove(self): ...

def start():
    threading.Thread(target=watch, args=(1,)).start()

atexit.register(helper)
"""


def watched(told=()):
    return watchlist({"line.py": extract(SOURCE)}, told)


def test_watches_tasks_threads_and_what_is_registered_per_call():
    found = {(f.probe.kind, f.symbol, f.probe.attribute) for f in watched()}
    assert found == {
        (ProbeKind.TASKS, "line.follow", ""),
        (ProbeKind.THREADS, "line.watch", ""),
        (ProbeKind.THREADS, "line.Pump", ""),
        (ProbeKind.EXIT_FUNCTIONS, "line.Upload.__init__", "helper"),
        (ProbeKind.FINALIZERS, "line.Upload.__init__", "Upload.remove"),
    }
    assert all(finding.only_watched for finding in watched())


def test_watches_containers_that_no_rule_names():
    source = "CARTS = {}\napp = App()\napp.state.carts = []\nclass Shop:\n    def __init__(self): self.items = set()\n"
    facts = {"shop.py": extract(source)}
    found = watchlist(facts, ())
    assert {(f.symbol, f.rule, f.probe.kind) for f in found} == {
        ("shop.CARTS", "LA101", ProbeKind.MODULE_ATTRIBUTE),
        ("shop.app.state.carts", "LA102", ProbeKind.MODULE_ATTRIBUTE),
        ("shop.Shop.items", "LA103", ProbeKind.INSTANCE_ATTRIBUTE),
    }
    assert len(watchlist(facts, found)) == 0


def test_leaves_out_what_evicts_at_a_size():
    source = """
class Memory:
    def __init__(self):
        self.done = {}
        self.seen = {}
    def remember(self, key):
        self.done[key] = 1
        self.seen[key] = 1
        while len(self.done) > 10000:
            self.done.popitem()
    def forget(self, key):
        self.seen.pop(key, None)
    def full(self): return len(self.seen) > 5
"""
    assert {f.symbol for f in watchlist({"m.py": extract(source)}, ())} == {"m.Memory.seen"}


def test_leaves_to_rules_what_they_found():
    told = [finding for finding in watched() if finding.probe.kind is ProbeKind.FINALIZERS]
    assert len(watched(told)) == len(watched()) - 1
