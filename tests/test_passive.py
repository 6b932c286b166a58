"""Containers read from outside: right lengths, no code in the target, and nothing torn from one that changes."""

from __future__ import annotations

import signal
import struct
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest
from attach_targets import interpreters
from click.testing import CliRunner
from runtime_target import SERVE, ask, finding, judged, running, wait_until
from test_runtime_audit import may_attach

from leakaudit.cli.main import cli
from leakaudit.errors import AttachError
from leakaudit.findings import Status
from leakaudit.findings.report import Report
from leakaudit.runtime import audit as runtime_audit
from leakaudit.runtime.attach import procfs
from leakaudit.runtime.attach.elf import Symbol
from leakaudit.runtime.attach.preflight import look
from leakaudit.runtime.attach.target import Runtime
from leakaudit.runtime.audit import Options, audit
from leakaudit.runtime.conclude import conclude
from leakaudit.runtime.passive.finder import OUT_OF_REACH, Finder, Unfound
from leakaudit.runtime.passive.layout import Layout, read_layout
from leakaudit.runtime.passive.objects import Objects, TornError
from leakaudit.runtime.passive.watch import worth_looking
from leakaudit.runtime.session import read_session

TELLING = [found for found in interpreters() if found.version >= (3, 13)]
OPEN_314 = [found for found in TELLING if found.version >= (3, 14)]
OLD = [found for found in interpreters() if found.version < (3, 13)]
NAMES = """
import collections, enum, logging, weakref, xml.dom
PLAIN = {"key%d" % i: i for i in range(7)}
NUMBERS = {i: i for i in range(300)}
ITEMS = list(range(12))
UNIQUE = set(range(33))
RECENT = collections.deque(range(9), maxlen=20)
QUEUE = collections.deque(range(11))
ORDER = collections.OrderedDict((i, i) for i in range(5))
COUNTS = collections.Counter("abcab")
GROUPS = collections.defaultdict(list, {1: [1, 2], 2: [3]})
GREAT = {i: [0] * 10 for i in range(1000)}
EMPTY = {}
größe = {"ä": 1}
class Mine(dict): __slots__ = ()
OWN = Mine(a=1, b=2)
NUMBER = 17
TEXT = "text"
WEAK = weakref.WeakValueDictionary()
class Outer:
    held = [1, 2, 3]
    class Inner:
        deep = {1: 1}
class Derived(Outer): pass
class Instances:
    def __init__(self): self.things = []
box = Instances()
SPLIT = box.__dict__
"""
HELD = {
    "PLAIN": (7, None, None),
    "NUMBERS": (300, None, None),
    "ITEMS": (12, None, None),
    "UNIQUE": (33, None, None),
    "RECENT": (9, None, 20),
    "QUEUE": (11, None, None),
    "ORDER": (5, None, None),
    "COUNTS": (3, None, None),
    "GROUPS": (2, 3, None),
    "GREAT": (1000, 10_000, None),
    "EMPTY": (0, None, None),
    "größe": (1, None, None),
    "OWN": (2, None, None),
    "Outer.held": (3, None, None),
    "Outer.Inner.deep": (1, None, None),
    "Derived.held": (3, None, None),
}


@contextmanager
def reading(process):
    target = look(process.pid)
    with procfs.Memory(process.pid) as memory:
        layout = read_layout(memory, target.runtime, target.version)
        assert not isinstance(layout, str), layout
        yield Finder(Objects(memory, layout))


def probe(process, path, kind="module-attribute"):
    qualname, _, name = path.rpartition(".")
    return finding(kind, name, qualname, path=process.args[-1]).probe


@pytest.fixture(params=TELLING, ids=str)
def target(request, tmp_path, missing):
    """A program with containers of all kinds."""
    with running(NAMES + SERVE, tmp_path, request.param.path) as process:
        may_attach(process, missing)
        yield process


def test_lengths_are_those_that_the_target_sees(target):
    with reading(target) as finder:
        for path, held in HELD.items():
            found = finder.look(probe(target, path))
            assert (found.entries, found.nested, found.limit) == held, path
        assert finder.look(probe(target, "Derived.held", "class-attribute")).entries == 3
        ask(target, "[NUMBERS.pop(0), NUMBERS.update({-i: 0 for i in range(1000)}), QUEUE.popleft()][0]")
        assert finder.look(probe(target, "NUMBERS")).entries == ask(target, "len(NUMBERS)")
        assert finder.look(probe(target, "QUEUE")).entries == 10


def test_modules_are_found_by_their_files(target):
    with reading(target) as finder:
        files = finder.files()
        assert files["__main__"] == target.args[-1]
        told = "{k: v.__file__ for k, v in sys.modules.items() if getattr(v, '__file__', None)}"
        assert files == ask(target, told)


def test_a_full_container_that_evicts_is_told_from_an_idle_one(target):
    with reading(target) as finder:
        for path, turnover in (
            ("ORDER", "[ORDER.popitem(last=False), ORDER.update({99: 9})][0]"),
            ("QUEUE", "[QUEUE.popleft(), QUEUE.append(object()), 0][2]"),
            ("ITEMS", "[ITEMS.pop(0), ITEMS.append('new'), 0][2]"),
        ):
            before = finder.look(probe(target, path))
            assert finder.look(probe(target, path)).mark == before.mark != 0
            ask(target, turnover)
            after = finder.look(probe(target, path))
            assert (after.entries, after.mark == before.mark) == (before.entries, False), path


def test_what_cannot_be_read_says_why(target):
    with reading(target) as finder:
        for path, kind, reason in (
            ("GONE", "module-attribute", "nothing in the target's __main__ has the name GONE"),
            ("NUMBER", "module-attribute", "NUMBER is a int, and only"),
            ("TEXT", "module-attribute", "TEXT is a str, and only"),
            ("WEAK", "module-attribute", "WEAK is a WeakValueDictionary, and only"),
            ("box.things", "module-attribute", OUT_OF_REACH),
            ("Instances.things", "instance-attribute", OUT_OF_REACH),
            ("Outer.gone", "class-attribute", "has the name Outer.gone"),
        ):
            with pytest.raises(Unfound, match=reason):
                finder.look(probe(target, path, kind))
        elsewhere = finding("module-attribute", "X", path="/nowhere/other.py", module="other").probe
        with pytest.raises(Unfound, match="has not loaded other"):
            finder.look(elsewhere)
        assert finder.look(probe(target, "SPLIT")).entries == 1  # its values lie in the instance


WILD = """
import collections, threading
MOST = 5000
GROWING, ROWS, REBOUND, UNIQUE = {}, [], {}, set()
RECENT = collections.deque()
def churn():
    global REBOUND
    number = 0
    while True:
        for i in range(MOST):
            GROWING[i] = [i] * (i % 7); ROWS.append([i]); UNIQUE.add(i); RECENT.append([i])
            if i % 50 == 0:
                REBOUND = {j: [j] for j in range(i % 400)}
                globals()["name%d" % (i + number)] = {}
        number += 7
        for name in [name for name in globals() if name.startswith("name")]:
            del globals()[name]
        GROWING.clear(); ROWS.clear(); UNIQUE.clear(); RECENT.clear()
for _ in range(2): threading.Thread(target=churn, daemon=True).start()
""" + SERVE.replace("import sys, json", "import sys, json; sys.setswitchinterval(1e-4)")


@pytest.mark.parametrize("interpreter", TELLING, ids=str)
def test_what_changes_all_the_time_is_read_right_or_not_at_all(interpreter, tmp_path, missing):
    with running(WILD, tmp_path, interpreter.path) as process:
        may_attach(process, missing)
        read = Counter()
        with reading(process) as finder:
            for number in range(500):
                name = ("GROWING", "ROWS", "REBOUND", "UNIQUE", "RECENT")[number % 5]
                try:
                    found = finder.look(probe(process, name))
                except (OSError, Unfound):
                    continue
                assert 0 <= found.entries <= 2 * 5000
                assert found.nested is None or 0 <= found.nested <= 7 * 2 * 5000
                read[name] += 1
        assert process.poll() is None
        assert len(read) == 5
        assert read.total() > 300, read


LEAK = NAMES + "import threading, time\ndef work():\n" + (
    "    for i in range(10**9):\n"
    "        NUMBERS[-i] = i; RECENT.append(i); box.things.append(i); time.sleep(0.005)\n"
    "threading.Thread(target=work, daemon=True).start()\n"
)  # fmt: skip
PASSIVE = Options(duration_s=3.0, interval_s=0.25, passive=True)


def scanner(process):
    paths = (("module-attribute", "NUMBERS"), ("module-attribute", "RECENT"), ("module-attribute", "ITEMS"))
    probes = [finding(kind, name, path=process.args[-1]) for kind, name in paths]
    probes.append(finding("instance-attribute", "things", "Instances", path=process.args[-1]))
    return lambda _: Report("scan", tuple(probes))


def looked_at(process, options):
    return judged(lambda how: audit(process.pid, scanner(process), how), options)


def statuses(report):
    return {item.symbol.removeprefix("target."): item.verdict.status for item in report.findings}


@pytest.mark.parametrize("interpreter", TELLING, ids=str)
def test_audit_from_outside(interpreter, tmp_path, missing):
    with running(LEAK + SERVE, tmp_path, interpreter.path) as process:
        may_attach(process, missing)
        before = ask(process, "[threading.active_count(), sorted(sys.modules)]")
        report = looked_at(process, replace(PASSIVE, session=tmp_path / "s"))
        assert ask(process, "[threading.active_count(), sorted(sys.modules)]") == before
        assert statuses(report) == {
            "NUMBERS": Status.CONFIRMED,
            "RECENT": Status.BOUNDED,
            "ITEMS": Status.NOT_GROWING,
            "Instances.things": Status.UNRESOLVED,
        }
        audited = report.runtime
        assert (audited.method, audited.attach_pause_ms, audited.largest_pause_ms) == ("passive", 0.0, 0.0)
        assert audited.python == ask(process, "'.'.join(map(str, sys.version_info[:3]))")
        assert {series.name for series in audited.series if not series.part_of} >= {"rss", "threads"}
        assert audited.rss_account
    assert conclude(read_session(tmp_path / "s")) == report


@pytest.mark.parametrize("interpreter", OPEN_314, ids=str)
def test_a_target_that_opted_out_is_watched_from_outside(interpreter, tmp_path, missing, monkeypatch):
    monkeypatch.setenv("PYTHON_DISABLE_REMOTE_DEBUG", "1")
    with running(LEAK + SERVE, tmp_path, interpreter.path) as process:
        may_look(process, missing)
        report = looked_at(process, replace(PASSIVE, passive=False))
        assert report.runtime.method == "passive"
        assert any("opted out" in note for note in report.runtime.notes)
        assert statuses(report)["NUMBERS"] is Status.CONFIRMED
        told = CliRunner().invoke(cli, ["doctor", str(process.pid)])
        assert told.exit_code == 0
        assert told.stdout.endswith(f"leakaudit runtime {process.pid} would use passive\n")
        with pytest.raises(AttachError, match="opted out"):
            audit(process.pid, scanner(process), Options(method="pending-call"))


def may_look(process, missing):
    try:
        look(process.pid)
    except AttachError as error:
        missing(str(error))


@pytest.mark.parametrize("interpreter", OLD[-1:], ids=str)
def test_before_3_13_there_are_vitals_and_a_reason(interpreter, tmp_path, missing):
    with running(LEAK + SERVE, tmp_path, interpreter.path) as process:
        may_attach(process, missing)
        report = audit(process.pid, scanner(process), Options(duration_s=1.0, passive=True))
        assert report.findings == ()
        assert any("before Python 3.13" in note for note in report.runtime.notes)
        assert report.runtime.series


def test_refused_entry_leaves_the_outside_only_where_that_tells_something(tmp_path, missing, monkeypatch):
    def refuse(pid, method):
        raise AttachError("it is held by a debugger", "detach that first")

    monkeypatch.setattr(runtime_audit, "reach", refuse)
    with running(LEAK + SERVE, tmp_path) as process:
        may_attach(process, missing)
        monkeypatch.setattr(runtime_audit, "worth_looking", lambda pid: False)
        with pytest.raises(AttachError, match="held by a debugger"):
            audit(process.pid, scanner(process), Options(duration_s=1.0))
        monkeypatch.setattr(runtime_audit, "worth_looking", lambda pid: True)
        report = audit(process.pid, scanner(process), Options(duration_s=1.0))
        assert report.runtime.method == "passive"
        assert "it was only watched from outside: it is held by a debugger" in report.runtime.notes


def test_who_could_not_be_entered_after_all_is_watched_from_outside(tmp_path, missing, monkeypatch):
    def refuse(*_):
        raise AttachError("the main thread came to no safe point in time", "try again")

    monkeypatch.setattr(runtime_audit, "attach", refuse)
    with running(LEAK + SERVE, tmp_path) as process:
        may_attach(process, missing)
        for looks in (False, True):
            monkeypatch.setattr(runtime_audit, "worth_looking", lambda pid, looks=looks: looks)
            options = Options(duration_s=1.0, session=tmp_path / f"s{looks}")
            if not looks:
                with pytest.raises(AttachError, match="no safe point"):
                    audit(process.pid, scanner(process), options)
                continue
            report = audit(process.pid, scanner(process), options)
            assert "the main thread came to no safe point in time" in report.runtime.notes[0]
            assert conclude(read_session(tmp_path / "sTrue")) == report


def test_a_suspended_target_tells_nothing(tmp_path, missing):
    with running(LEAK + SERVE, tmp_path, TELLING[0].path if TELLING else sys.executable) as process:
        may_attach(process, missing)
        assert worth_looking(process.pid) == bool(TELLING)
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: procfs.state(process.pid) == "T")
        assert not worth_looking(process.pid)
    assert not worth_looking(process.pid)


class Words:
    """Memory made of words, by address."""

    def __init__(self, words):
        self.words = words

    def read(self, address, size):
        return b"".join(struct.pack("<Q", self.words[address + at]) for at in range(0, size, 8))


def table(version=0x030E0000, free_threaded=0, ob_type=8, cookie=b"xdebugpy"):
    words = [int.from_bytes(cookie, "little"), version, free_threaded, 0, 0, 0x800] + [0] * 67
    words[1 + 50], words[1 + 11], words[1 + 6], words[1 + 7] = ob_type, 7688, 8, 16
    interpreters = {0x1800: 0x6000, 0x6008: 3, 0x6010: 0x5000, 0x5008: 0}  # the main one comes last
    return Words({0x1000 + 8 * i: word for i, word in enumerate(words)} | interpreters)


@pytest.mark.parametrize(
    ("memory", "version", "expected"),
    [
        (table(), (3, 14, 0), 16),
        (table(free_threaded=1, ob_type=24), (3, 14, 0), 32),
        (table(free_threaded=1), (3, 14, 0), "not as expected"),
        (table(version=0x030F0000), (3, 14, 0), "not as expected"),
        (table(cookie=b"nothing!"), (3, 14, 0), "does not export"),
        (table(), (3, 16, 0), "3.16 is not known"),
        (table(), (3, 12, 0), "before Python 3.13"),
        (table(), None, "before Python 3.13"),
    ],
)
def test_layout_is_taken_only_when_it_is_as_expected(memory, version, expected):
    found = read_layout(memory, Runtime("", 62, {"_PyRuntime": Symbol(0x1000, 8)}, b""), version)
    if isinstance(expected, str):
        assert expected in found
    else:
        assert (found.interpreter, found.imports_modules, found.head) == (0x5000, 7688, expected)


class Heap:
    """Objects laid out as a build without the interpreter lock would: a head of 32 bytes, flags of text a byte later."""

    def __init__(self):
        self.memory = bytearray(1 << 16)
        self.free = 0x2000
        self.types = {}
        self.type = self.make(None, 512)
        for name, flags in (("str", 1 << 28), ("dict", 1 << 29), ("module", 0), ("list", 1 << 25)):
            self.types[name] = kind = self.make(self.type, 512)
            self.put(kind + 40, self.raw(name.encode() + b"\0" * 64))
            self.put(kind + 40 + 144, flags)

    def read(self, address, size):
        if not 0x2000 <= address <= self.free - size:
            raise OSError(address)
        return bytes(self.memory[address : address + size])

    def raw(self, data):
        address, self.free = self.free, self.free + -(-len(data) // 8) * 8
        self.memory[address : address + len(data)] = data
        return address

    def put(self, address, *words):
        self.memory[address : address + 8 * len(words)] = struct.pack(f"<{len(words)}Q", *words)

    def make(self, kind, size):
        address = self.raw(bytes(size))
        self.put(address + 24, kind or 0)
        return address

    def text(self, text):
        address = self.make(self.types["str"], 32 + 24 + len(text) + 1)
        self.put(address + 32, len(text), 0, 0b11001 << 8 | 3)
        self.memory[address + 56 : address + 56 + len(text)] = text.encode()
        return address

    def dict(self, items):
        texts = [(self.text(key), value) for key, value in items.items()]
        head = struct.pack("<QBBBBIQQ", 1, 3, 3, 1, 0, 0, 0, len(items)) + b"\xff" * 8
        keys = self.raw(head + b"".join(struct.pack("<QQ", *pair) for pair in texts) + bytes(64))
        address = self.make(self.types["dict"], 64)
        self.put(address + 32, len(items), 0, keys, 0)
        return address

    def module(self, names):
        address = self.make(self.types["module"], 64)
        self.put(address + 32, names)
        return address


def test_a_build_without_the_interpreter_lock_is_read_by_its_own_layout():
    heap = Heap()
    rows = heap.make(heap.types["list"], 48)
    heap.put(rows + 32, 7, heap.raw(struct.pack("<7Q", *[heap.text("x")] * 7)))
    names = heap.dict({"__file__": heap.text("/srv/app.py"), "ROWS": rows, "EMPTY": heap.dict({})})
    modules = heap.dict({"sys": heap.module(heap.dict({})), "app": heap.module(names)})
    interpreter = heap.raw(struct.pack("<2Q", 0, modules))
    finder = Finder(Objects(heap, Layout(interpreter, 8, 32)))
    assert finder.files() == {"app": "/srv/app.py"}
    for name, held in (("ROWS", 7), ("EMPTY", 0)):
        found = finder.look(finding("module-attribute", name, path="/srv/app.py", module="app").probe)
        assert (found.entries, found.nested) == (held, None)


@pytest.mark.parametrize("address", [0, 8, 1 << 47, 0x1001])
def test_wild_pointers_are_not_followed(address):
    objects = object.__new__(Objects)
    objects._memory = Words({})
    with pytest.raises(TornError):
        objects.word(address)


def test_reading_takes_no_processor_time_of_the_target(target):
    with reading(target) as finder:
        spent = procfs._stat(target.pid)[11:13]
        for _ in range(200):
            finder.look(probe(target, "NUMBERS"))
        assert procfs._stat(target.pid)[11:13] == spent
