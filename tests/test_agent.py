"""The agent's own functions, in this process: it finds what probes name and runs no code of what it looks at."""

from __future__ import annotations

import array
import asyncio
import atexit
import collections
import gc
import json
import logging
import queue
import sys
import threading
import time
import types
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_target import as_line as probe_line
from runtime_target import finding

from leakaudit.findings.model import ProbeKind
from leakaudit.runtime import agent
from leakaudit.runtime.channel import as_line

PATH = "/srv/shop/basket.py"
NAME = "shop.basket"


class Trap:
    """Whatever runs code of this class is noted."""

    ran: list[str] = []  # noqa: RUF012

    def _note(self, *_):
        Trap.ran.append(sys._getframe(1).f_code.co_name)
        return 0

    __getattribute__ = __getattr__ = __len__ = __bool__ = __eq__ = __repr__ = __iter__ = __sizeof__ = _note
    __hash__ = object.__hash__


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """The agent naps a lot; nobody has to wait for it here."""
    monkeypatch.setattr(agent, "nap", lambda _: None)
    Trap.ran.clear()


@pytest.fixture
def module(monkeypatch):
    """A module of the target's own, to be filled by the test."""
    gc.collect()  # what earlier tests defined is garbage, but would be found
    made = types.ModuleType(NAME)
    made.__file__ = PATH
    monkeypatch.setitem(sys.modules, NAME, made)
    return made


def fill(module, source):
    exec(compile(source, PATH, "exec"), module.__dict__)
    return module


def look_up(kind, attribute="", qualname="", module=NAME, path=PATH, types=()):
    """Return the row that the agent writes for a probe, by name; None if it found nothing."""
    worker = agent.Agent.__new__(agent.Agent)
    worker.ledger = agent.Ledger(1000.0)
    worker.finder = agent.Finder(worker.ledger)
    worker.finder.index()
    agent.learn_types()
    item = finding(kind, attribute, qualname, path, module, types=types)
    worker.probes = [agent.Probe(probe_line(0, item))]
    worker.search()
    row = worker.row(worker.probes[0])
    if row is None:
        return worker.why(worker.probes[0])
    names = ("id", "holders", "entries", "nested", "largest", "bytes", "limit", "mark", "fresh")
    return dict(zip(names, row, strict=True))


# --- Every kind of probe


def test_module_attribute(module):
    module.CACHE = {i: [i] * 3 for i in range(10)}
    row = look_up("module-attribute", "CACHE")
    assert (row["holders"], row["entries"], row["nested"], row["fresh"]) == (1, 10, 30, True)
    assert row["bytes"] > sys.getsizeof(module.CACHE)


def test_module_attribute_of_an_attribute(module):
    fill(module, "class App: pass\napp = App()\napp.state = App()\napp.state.seen = [1, 2]")
    assert look_up("module-attribute", "app.state.seen")["entries"] == 2


def test_module_attribute_that_is_not_there(module):
    assert look_up("module-attribute", "NOTHING") == f"nothing in the target's {NAME} has the name NOTHING"


def test_module_that_is_not_loaded():
    assert (
        look_up("module-attribute", "X", module="no.such", path="/no/such.py")
        == "the target has not loaded no.such"
    )


@pytest.mark.parametrize(
    ("module_name", "path"),
    [
        ("shop.basket", "shop/basket.py"),
        ("basket", "basket.py"),
        ("src.shop.basket", "/home/me/src/shop/basket.py"),
        ("__main__", "/srv/shop/basket.py"),
    ],
)
def test_a_module_is_found_by_its_file_whatever_the_scan_calls_it(module, module_name, path):
    module.CACHE = [1]
    assert look_up("module-attribute", "CACHE", module=module_name, path=path)["entries"] == 1


def test_a_module_of_the_same_file_name_elsewhere_is_not_taken(module):
    module.CACHE = [1]
    assert isinstance(
        look_up("module-attribute", "CACHE", module="other.basket", path="/home/me/other/basket.py"), str
    )


def test_the_nearest_of_two_files_is_taken(module, monkeypatch):
    other = types.ModuleType("api.basket")
    other.__file__ = "/srv/api/basket.py"
    other.CACHE = [1, 2, 3]
    module.CACHE = [1]
    monkeypatch.setitem(sys.modules, "api.basket", other)
    assert (
        look_up("module-attribute", "CACHE", module="basket", path="/home/me/api/basket.py")["entries"] == 3
    )


def test_class_attribute_also_of_a_base(module):
    fill(module, "class Base:\n seen = [1, 2]\nclass Basket(Base): pass")
    assert look_up("class-attribute", "seen", "Basket")["entries"] == 2


def test_instance_attribute_sums_over_all_instances_and_subclasses(module):
    fill(
        module, "class Basket:\n def __init__(self, n): self.items = list(range(n))\nclass Gift(Basket): pass"
    )
    module.kept = [module.Basket(3), module.Basket(4), module.Gift(10)]
    row = look_up("instance-attribute", "items", "Basket")
    assert (row["holders"], row["entries"], row["largest"]) == (3, 17, 10)


def test_instance_attribute_with_slots_and_a_mangled_name(module):
    fill(
        module,
        "class Basket:\n __slots__ = ('__items', '__weakref__')\n def __init__(self): self.__items = {1: 1}",
    )
    module.kept = module.Basket()
    assert look_up("instance-attribute", "__items", "Basket")["entries"] == 1


def test_instance_that_allows_no_weak_reference(module):
    fill(module, "class Basket:\n __slots__ = ('items',)\n def __init__(self): self.items = [1, 2, 3]")
    module.kept = [module.Basket() for _ in range(4)]
    row = look_up("instance-attribute", "items", "Basket")
    assert (row["holders"], row["entries"]) == (4, 12)


def test_more_instances_than_are_looked_at_are_scaled_up(module):
    fill(module, "class Basket:\n def __init__(self): self.items = [1, 2]")
    module.kept = [module.Basket() for _ in range(3 * agent.MAX_HOLDERS)]
    row = look_up("instance-attribute", "items", "Basket")
    assert (row["holders"], row["entries"]) == (3 * agent.MAX_HOLDERS, 6 * agent.MAX_HOLDERS)


def test_no_live_instance_is_an_answer(module):
    fill(module, "class Basket: pass")
    row = look_up("instance-attribute", "items", "Basket")
    assert (row["holders"], row["entries"]) == (0, 0)


def test_a_class_that_is_not_there(module):
    assert "there is no class Basket" in look_up("instance-attribute", "items", "Basket")


CLOSURES = """
def subscribe():
    updates = []
    def on_update(item): updates.append(item)
    return on_update
"""


@pytest.mark.parametrize("qualname", ["subscribe", "subscribe.<locals>.on_update"])
def test_closure_cell_by_owner_or_by_closure(module, qualname):
    fill(module, CLOSURES)
    module.kept = [module.subscribe() for _ in range(5)]
    for number, closure in enumerate(module.kept):
        for _ in range(number):
            closure(number)
    row = look_up("closure-cell", "updates", qualname)
    assert (row["holders"], row["entries"], row["largest"]) == (5, 10, 4)


def test_no_live_closure_is_an_answer(module):
    fill(module, CLOSURES)
    assert look_up("closure-cell", "updates", "subscribe")["holders"] == 0


def test_default_argument(module):
    fill(module, "def add(item, seen=[1, 2], *, more={}): pass")
    assert look_up("default-argument", "seen", "add")["entries"] == 2
    assert look_up("default-argument", "more", "add")["entries"] == 0


def test_default_argument_under_a_decorator(module):
    fill(
        module,
        "def wrap(f):\n def run(*a): return f(*a)\n return run\n@wrap\ndef add(item, seen=[1, 2, 3]): pass",
    )
    assert look_up("default-argument", "seen", "add")["entries"] == 3


def test_function_attribute(module):
    fill(module, "def add(): pass\nadd.seen = {1, 2}")
    assert look_up("function-attribute", "seen", "add")["entries"] == 2


def test_function_cache_with_and_without_limit(module):
    fill(
        module,
        "import functools\n@functools.lru_cache(maxsize=4)\ndef few(x): return x\n"
        "@functools.lru_cache(maxsize=None)\ndef many(x): return x\n"
        "class Basket:\n @functools.lru_cache(None)\n def price(self, x): return x\n"
        "[(few(i), many(i), Basket.price(None, i)) for i in range(10)]",
    )
    assert (
        look_up("function-cache", "", "few")["entries"],
        look_up("function-cache", "", "few")["limit"],
    ) == (4, 4)
    assert look_up("function-cache", "", "many")["entries"] == 10
    assert look_up("function-cache", "", "many")["limit"] is None
    assert look_up("function-cache", "", "Basket.price")["entries"] == 10


def test_function_cache_made_per_call(module):
    fill(
        module,
        "import functools\ndef make():\n @functools.lru_cache(None)\n def cached(x): return x\n return cached",
    )
    module.kept = [module.make() for _ in range(3)]
    for cached in module.kept:
        cached(1), cached(2)
    row = look_up("function-cache", "", "make.<locals>.cached")
    assert (row["holders"], row["entries"]) == (3, 6)


def test_loggers_and_their_handlers(module):
    before = look_up("loggers")["entries"], look_up("logging-handlers")["entries"]
    logger = logging.getLogger("shop.basket.test_agent")
    handler = logging.NullHandler()
    logger.addHandler(handler)
    try:
        assert look_up("loggers")["entries"] > before[0]
        assert look_up("logging-handlers")["entries"] == before[1] + 1
    finally:
        logger.removeHandler(handler)
        del logging.Logger.manager.loggerDict["shop.basket.test_agent"]


def test_tasks_by_their_coroutine(module):
    fill(module, "import asyncio\nasync def serve(stop): await stop.wait()")

    async def main():
        stop = asyncio.Event()
        tasks = [asyncio.create_task(module.serve(stop)) for _ in range(4)]
        await asyncio.sleep(0)
        row = look_up("tasks", "", "serve")
        stop.set()
        await asyncio.gather(*tasks)
        return row

    assert asyncio.run(main())["entries"] == 4


APP = """
class State:
    def __init__(self): object.__setattr__(self, "_state", {})
    def __setattr__(self, name, value): self._state[name] = value

class App:
    def __init__(self): self.state, self.jobs = State(), [1, 2, 3]

app = App()
app.state.cache = {1: 1, 2: 2}
"""


def test_a_name_on_an_object_of_the_module(module):
    fill(module, APP)
    assert look_up("module-attribute", "jobs", "app")["entries"] == 3
    assert look_up("module-attribute", "cache", "app.state")["entries"] == 2
    assert "app.state.gone" in look_up("module-attribute", "gone", "app.state")


def test_a_name_in_every_thread(module):
    module.local, stop, ready = threading.local(), threading.Event(), threading.Barrier(3)

    def work():
        module.local.cache = {1: 1, 2: 2}
        ready.wait()
        stop.wait()

    running = [threading.Thread(target=work) for _ in range(2)]
    for thread in running:
        thread.start()
    ready.wait()
    try:
        row = look_up("module-attribute", "cache", "local")
        assert (row["holders"], row["entries"]) == (2, 4)
    finally:
        stop.set()
        for thread in running:
            thread.join()


def test_exit_functions(module):
    before = look_up("exit-functions", "", "work")["entries"]
    atexit.register(print)
    try:
        assert look_up("exit-functions", "", "work")["entries"] == before + 1
    finally:
        atexit.unregister(print)


def test_finalizers_by_what_they_call(module):
    fill(module, "class Upload:\n    def remove(self): ...\n    @staticmethod\n    def forget(): ...")
    uploads = [module.Upload() for _ in range(3)]
    made = [weakref.finalize(upload, upload.forget) for upload in uploads]
    assert look_up("finalizers", "Upload.forget", "Upload")["entries"] == 3
    assert look_up("finalizers", "Upload.remove", "Upload")["entries"] == 0
    for finalizer in made:
        finalizer.detach()


@pytest.mark.parametrize("kind", [kind.value for kind in ProbeKind])
def test_values_of_every_kind_can_be_asked_for(module, kind):
    fill(module, "class Upload: ...\ndef work(): ...")
    finder = agent.Finder(agent.Ledger(1000.0))
    finder.index()
    for name in ("Upload", "work"):
        probe = agent.Probe(probe_line(0, finding(kind, "items", name, PATH, NAME)))
        assert isinstance(list(agent.values(probe, finder)), list)


def test_threads_by_their_target(module):
    fill(module, "def work(stop): stop.wait()")
    stop = threading.Event()
    running = [threading.Thread(target=module.work, args=(stop,)) for _ in range(3)]
    for thread in running:
        thread.start()
    try:
        assert look_up("threads", "", "work")["entries"] == 3
    finally:
        stop.set()
        for thread in running:
            thread.join()
    assert look_up("threads", "", "work")["entries"] == 0


def test_timers_by_what_they_will_call(module):
    fill(module, "class Task:\n    def remove(self): pass")
    running = [threading.Timer(60.0, module.Task().remove) for _ in range(2)]
    for timer in running:
        timer.start()
    try:
        assert look_up("threads", "", "Task.remove")["entries"] == 2
    finally:
        for timer in running:
            timer.cancel()
            timer.join()
    assert look_up("threads", "", "Task.remove")["entries"] == 0


def test_type_count(module):
    fill(module, "class Basket: pass")
    module.kept = [module.Basket() for _ in range(7)]
    assert look_up("type-count", types=("builtins.Basket", "shop.basket.Basket", "Basket"))["entries"] in (
        0,
        7,
    )
    module.Basket.__module__ = NAME
    assert look_up("type-count", types=(f"{NAME}.Basket",))["entries"] == 7


# --- Measuring


class Wrapped:
    """A container of the program's own, around a built-in one."""

    def __init__(self, limit=None):
        self.data = {1: 1, 2: 2}
        self.maxsize = limit


class Limited(collections.OrderedDict):
    maxsize = 5


@pytest.mark.parametrize(
    ("value", "entries", "limit"),
    [
        ({1: 1}, 1, None),
        ([], 0, None),
        ({1, 2}, 2, None),
        (collections.deque([1, 2], maxlen=9), 2, 9),
        (collections.deque([1, 2]), 2, None),
        (collections.defaultdict(list, a=[1]), 1, None),
        (collections.Counter("aab"), 2, None),
        (Limited(a=1), 1, 5),
        (array.array("b", b"abc"), 3, None),
        (bytearray(4), 4, None),
        (collections.UserDict(a=1, b=2), 2, None),
        (collections.UserList([1, 2, 3]), 3, None),
        (Wrapped(), 2, None),
        (Wrapped(7), 2, 7),
        (None, 0, None),
        (object(), 1, None),
    ],
)
def test_measure(value, entries, limit):
    agent.learn_types()
    found, _, allowed = agent.measure(value)
    assert (found, allowed) == (entries, limit)


def test_measure_queues_and_weak_containers():
    waiting = queue.Queue(maxsize=6)
    waiting.put(1)
    kept = Wrapped()
    assert agent.measure(waiting)[0] == 1
    assert agent.measure(waiting)[2] == 6
    assert agent.measure(weakref.WeakValueDictionary({1: kept}))[0] == 1


def test_estimate_is_near_the_truth_for_a_plain_container():
    held = {i: "x" * 100 + str(i) for i in range(1000)}
    truth = sys.getsizeof(held) + sum(sys.getsizeof(i) + sys.getsizeof(v) for i, v in held.items())
    assert agent.estimate(held, 3) == pytest.approx(truth, rel=0.1)


def test_estimate_counts_an_object_once_that_a_list_holds_often():
    assert agent.estimate([bytearray(100_000)] * 80, 3) < 1_100_000


def test_estimate_counts_what_a_closure_has_captured():
    def subscribe():
        updates = bytearray(50_000)
        return lambda: updates

    assert 50_000 < agent.estimate([subscribe()], 3) < 60_000


def test_estimate_of_a_closure_that_captures_itself_ends():
    def again():
        return again

    assert 100 < agent.estimate([again], 8) < 10_000


def test_mark_changes_when_old_entries_give_way():
    held = collections.deque(([i] for i in range(5)), maxlen=5)
    agent.learn_types()
    before = agent.mark(held)
    assert agent.mark(held) == before
    held.append([9])
    assert agent.mark(held) != before


# --- Harmless


def test_no_code_of_the_target_runs(module):
    module.Trap = Trap
    module.one = Trap()
    module.CACHE = {"a": Trap(), "b": [Trap()]}
    for kind, attribute in (
        ("module-attribute", "CACHE"),
        ("module-attribute", "one"),
        ("module-attribute", "one.x"),
    ):
        look_up(kind, attribute)
    look_up("instance-attribute", "items", "Trap")
    look_up("class-attribute", "ran", "Trap")
    assert Trap.ran == []


def test_properties_are_not_run(module):
    fill(
        module,
        "ran = []\nclass Basket:\n @property\n def items(self): ran.append(1); return []\nkept = Basket()",
    )
    assert isinstance(look_up("instance-attribute", "items", "Basket"), str)
    assert module.ran == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="instances have always a dict before 3.11")
def test_no_instance_gets_a_dict_from_being_looked_at(module):
    fill(module, "class Basket:\n def __init__(self): self.items = [1]; self.more = (1,)")
    module.kept = [module.Basket() for _ in range(50)]

    def dicts():
        return sum(type(part) is dict for basket in module.kept for part in gc.get_referents(basket))

    assert look_up("instance-attribute", "items", "Basket")["entries"] == 50
    agent.estimate(module.kept, 4)
    assert dicts() == 0


def test_nothing_is_kept_alive_between_samples(module):
    fill(module, "class Basket:\n def __init__(self): self.items = [1]")
    module.kept = module.Basket()
    gone = weakref.ref(module.kept)
    worker = agent.Agent.__new__(agent.Agent)
    worker.ledger = agent.Ledger(1000.0)
    worker.finder = agent.Finder(worker.ledger)
    worker.finder.index()
    worker.probes = [agent.Probe(probe_line(0, finding("instance-attribute", "items", "Basket", PATH, NAME)))]
    worker.search()
    worker.row(worker.probes[0])
    module.kept = None
    assert gone() is None


def test_slices_end_when_they_are_used_up():
    ledger = agent.Ledger(10.0)
    begun = ledger.begun
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        ledger.step()
    assert ledger.begun > begun
    assert 0.9 < ledger.pause_ms < 15


def test_a_heap_too_large_for_the_budget_is_walked_instead(module):
    fill(module, "class Basket:\n def __init__(self): self.items = [1, 2]")
    module.kept = {"deep": [module.Basket()]}
    worker = agent.Agent.__new__(agent.Agent)
    worker.ledger = agent.Ledger(0.000001)
    worker.finder = agent.Finder(worker.ledger)
    worker.finder.index()
    worker.probes = [agent.Probe(probe_line(0, finding("instance-attribute", "items", "Basket", PATH, NAME)))]
    assert worker.search() is None
    assert "pause the target" in worker.why_partial
    row = worker.row(worker.probes[0])
    assert row[2] == 2
    assert row[-1] is False


# --- JSON

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_json_of_the_agent_is_json(value):
    assert json.loads(agent.encode(value, lambda: None)) == value


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_the_agent_reads_what_the_controller_writes(text):
    record = {"text": text, "yes": True, "none": None, "list": [1, 2.5, {"a": text}]}
    assert agent.decode(as_line(record)) == record


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_json_floats(value):
    read = json.loads(agent.encode(value, lambda: None))
    assert read is None if abs(value) >= 1e15 else read == pytest.approx(value, abs=1e-6)


def test_default_argument_of_a_static_method(module):
    fill(module, "class Basket:\n @staticmethod\n def add(item, seen=[1]): pass")
    assert look_up("default-argument", "seen", "Basket.add")["entries"] == 1


def test_of_a_module_only_its_names_are_followed():
    """Modules written in C may show objects that are freed: 3.12's `_asyncio` never ends after that."""
    assert agent.referents(sys) == [vars(sys)]
    assert agent.referents([1000, sys]) == [1000, sys] or agent.referents([1000, sys]) == [sys, 1000]


# --- Device memory


def stand_in_torch(monkeypatch, started):
    cuda = types.ModuleType("torch.cuda")
    cuda.is_initialized = lambda: started
    cuda.device_count = lambda: 2
    cuda.memory_allocated = lambda device: 100 + device
    cuda.memory_reserved = lambda device: 1000 + device
    monkeypatch.setitem(sys.modules, "torch.cuda", cuda)
    return cuda


def test_device_memory_is_read_where_torch_uses_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.cuda", raising=False)
    assert agent.cuda_memory() is None
    assert "torch" not in sys.modules
    stand_in_torch(monkeypatch, started=True)
    assert agent.cuda_memory() == [201, 2001]


def test_device_memory_starts_no_cuda(monkeypatch):
    cuda = stand_in_torch(monkeypatch, started=False)
    cuda.device_count = lambda: pytest.fail("that would start CUDA")
    assert agent.cuda_memory() is None
    del cuda.is_initialized  # half imported
    assert agent.cuda_memory() is None


def test_threads_of_a_nested_function_hold_no_container():
    def feed():
        """Stand for what a thread runs."""

    probe = agent.Probe(probe_line(0, finding("threads", qualname="begin.<locals>.feed")))
    probe.refs = [weakref.ref(feed)]
    assert list(agent.candidates(probe, agent.Finder(agent.Ledger(10.0)))) == []
