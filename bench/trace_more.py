"""More small real programs whose memory is recorded, hard on purpose: `python trace_more.py NAME SECONDS SEED`.

What is leak-free here moves its memory all the time: caches that fill, arenas, bursts, waves, batches. What leaks does so
under the same. Standard library only, Python 3.8+; each generator yields the bytes that it has leaked so far.
"""

# ruff: noqa: SIM115

import array
import ast
import collections
import contextlib
import copy
import csv
import decimal
import email.message
import functools
import gc
import gzip
import heapq
import html.parser
import io
import itertools
import random
import shelve
import sqlite3
import tempfile
import threading
import types
import weakref
import xml.dom.minidom
import xml.etree.ElementTree as ET
import zipfile
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from trace_programs import blob, document, run, zipf

# --- leak-free ----------------------------------------------------------------------------------


def minidom_garbage(rng):
    while True:
        rows = "".join(f"<r id='{i}'>{'x' * rng.randrange(40)}</r>" for i in range(rng.randrange(5, 60)))
        xml.dom.minidom.parseString(f"<t>{rows}</t>")  # cycles: only the collector frees them
        yield 0


def element_trees(rng):
    step = 0
    while True:
        step += 1
        if step % 15 == 0:
            ET.fromstring("<t>" + "<r a='1'><b/>text</r>" * rng.randrange(100, 4000) + "</t>")
        yield 0


def user_cache_random_keys(rng):
    # Fills to ever less room: 1500 keys, ever fewer of them new.
    cache = {}
    while True:
        for _ in range(4):
            cache[rng.randrange(1500)] = blob(rng, 2000, 9000)
        yield 0


def lru_of_documents(rng):
    @functools.lru_cache(maxsize=700)
    def page(_):
        return document(rng, 12)

    while True:
        for _ in range(2):
            page(zipf(rng))
        yield 0


def two_level_cache(rng):
    hot, cold = collections.OrderedDict(), collections.OrderedDict()
    while True:
        for _ in range(8):
            hot[rng.randrange(10**6)] = blob(rng, 500, 6000)
            if len(hot) > 300:
                cold.update([hot.popitem(last=False)])
            if len(cold) > 1600:
                cold.popitem(last=False)
        yield 0


def thread_pool_of_parsers(rng):
    pool = ThreadPoolExecutor(6)

    def work(size):
        ast.parse("\n".join(f"a{i} = [{i}, {i}]" for i in range(size)))

    step = 0
    while True:
        step += 1
        if step % 20 == 0:
            list(pool.map(work, [rng.randrange(20, 400) for _ in range(6)]))
        yield 0


def short_lived_threads(rng):
    def work(size):
        rows = [blob(rng, 50, 3000) for _ in range(size)]
        rows.sort()

    while True:
        threads = [threading.Thread(target=work, args=(rng.randrange(400),)) for _ in range(rng.randrange(3))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        yield 0


def zip_and_gzip(rng):
    while True:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for i in range(rng.randrange(1, 6)):
                archive.writestr(f"{i}.txt", blob(rng, 100, 60000))
        gzip.decompress(gzip.compress(target.getvalue()))
        yield 0


def csv_reports(rng):
    step = 0
    while True:
        step += 1
        if step % 25 == 0:
            out = io.StringIO()
            csv.writer(out).writerows([[i, rng.random(), "x" * 20] for i in range(rng.randrange(200, 6000))])
            list(csv.reader(io.StringIO(out.getvalue())))
        yield 0


def sqlite_cache_warms(rng):
    with tempfile.NamedTemporaryFile() as file:
        db = sqlite3.connect(file.name)
        db.execute("pragma cache_size = -6000")
        db.execute("create table t (id integer primary key, body text)")
        db.executemany("insert into t values (?, ?)", ((i, "x" * 900) for i in range(12000)))
        db.commit()
        while True:
            for _ in range(15):
                db.execute("select body from t where id = ?", (rng.randrange(12000),)).fetchone()
            yield 0


def priority_queue_in_balance(rng):
    heap = []
    while True:
        for _ in range(rng.randrange(16)):
            heapq.heappush(heap, (rng.random(), blob(rng, 200, 4000)))
        while len(heap) > 900 and rng.random() < 0.93:
            heapq.heappop(heap)
        yield 0


def random_walk_of_clients(rng):
    clients, wanted = [], 300.0
    while True:
        wanted = min(600.0, max(50.0, wanted + rng.gauss(0, 6)))
        while len(clients) < wanted:
            clients.append({"buffer": bytearray(rng.randrange(4000, 30000)), "headers": document(rng, 2)})
        while len(clients) > wanted:
            clients.pop(rng.randrange(len(clients)))
        yield 0


def deep_copies(rng):
    state = {i: [rng.random() for _ in range(20)] for i in range(300)}
    versions = collections.deque(maxlen=12)
    step = 0
    while True:
        step += 1
        state[rng.randrange(300)] = [rng.random() for _ in range(rng.randrange(60))]
        if step % 30 == 0:
            versions.append(copy.deepcopy(state))
        yield 0


def weak_registry(rng):
    class Session:
        def __init__(self, body):
            self.body, self.me = body, self

    alive = weakref.WeakValueDictionary()
    while True:
        for _ in range(10):
            alive[rng.randrange(10**9)] = Session(blob(rng, 200, 5000))
        yield 0


def fragmenting_mix(rng):
    # Small survivors among large ones that go: the allocator cannot give the room back.
    small, large = collections.deque(maxlen=3000), []
    while True:
        for _ in range(6):
            large.append(blob(rng, 10000, 60000))
            small.append(blob(rng, 30, 600))
        if len(large) > 150:
            large.clear()
        yield 0


def batches_of_growing_size(rng):
    # The largest batch so far sets the level: a ratchet that moves ever more seldom.
    step = 0
    while True:
        step += 1
        if step % 18 == 0:
            batch = [blob(rng, 500, 5000) for _ in range(int(min(rng.lognormvariate(6, 0.7), 6000)))]
            del batch
        yield 0


def mails_parsed(rng):
    box = collections.deque(maxlen=150)
    while True:
        message = email.message.EmailMessage()
        message["Subject"] = "s" * rng.randrange(5, 80)
        message.set_content("line\n" * rng.randrange(10, 1500))
        box.append(message)
        yield 0


def html_pages(rng):
    class Links(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

    while True:
        found = []
        Links().feed("".join(f"<a href='/{rng.randrange(10**6)}'>x</a>" for _ in range(rng.randrange(300))))
        yield 0


def columns_swapped(rng):
    current = array.array("d")
    step = 0
    while True:
        step += 1
        if step % 22 == 0:
            current = array.array("d", [float(step)]) * rng.randrange(100000, 900000)
        yield 0 * len(current)


def slow_start_then_waves(rng):
    tables, live, step = [], collections.deque(), 0
    while True:
        step += 1
        if step < 600 and step % 3 == 0:
            tables.append(document(rng, 30))
        live.append(blob(rng, 2000, 12000))
        while len(live) > 200 + 150 * ((step // 160) % 2):
            live.popleft()
        yield 0


# --- leaking ------------------------------------------------------------------------------------


def mock_remembers_calls(rng):
    client, leaked = mock.MagicMock(), 0
    while True:
        client.send(blob(rng, 500, 3000))
        leaked += 1750 + 1200
        yield leaked


def shelf_writeback(rng):
    leaked = 0
    with tempfile.TemporaryDirectory() as folder:
        shelf = shelve.open(f"{folder}/shelf", writeback=True)
        while True:
            for _ in range(2):
                shelf[str(rng.randrange(10**9))] = body = blob(rng, 500, 3000)
                leaked += len(body) + 100
            yield leaked


def iterparse_never_cleared(rng):
    parser, leaked = ET.XMLPullParser(["end"]), 0
    parser.feed("<log>")
    while True:
        for _ in range(8):
            parser.feed(f"<entry id='{rng.randrange(10**6)}'><msg>{'x' * rng.randrange(300)}</msg></entry>")
            leaked += 700
        collections.deque(parser.read_events(), maxlen=0)
        yield leaked


def tee_with_an_idle_reader(rng):
    source = (blob(rng, 500, 3000) for _ in itertools.count())
    fast, slow = itertools.tee(source)
    leaked = 0
    while True:
        for _ in range(3):
            leaked += len(next(fast)) + 40
        yield leaked + (0 if slow else 1)


def classes_made_at_run_time(rng):
    kept, leaked = [], 0
    while True:
        for _ in range(2):
            kept.append(types.new_class(f"Row{rng.randrange(10**6)}", (), {}, lambda ns: ns.update(a=1, b=2)))
            leaked += 1400
        yield leaked


def context_stack_never_closed(rng):
    stack, leaked = contextlib.ExitStack(), 0
    while True:
        for _ in range(3):
            stack.callback(len, blob(rng, 500, 2500))
            leaked += 1900
        yield leaked


def decimals_in_a_ledger(rng):
    ledger, leaked = collections.defaultdict(list), 0
    while True:
        for _ in range(30):
            ledger[rng.randrange(40)].append(decimal.Decimal(rng.randrange(10**12)) / 7)
            leaked += 112
        yield leaked


def finalizers_pending(rng):
    class Job:
        pass

    jobs, leaked = [], 0
    while True:
        for _ in range(2):
            job = Job()
            weakref.finalize(job, len, blob(rng, 500, 2500))
            jobs.append(job)
            leaked += 2000
        yield leaked


def leak_under_batches(rng):
    kept, step, leaked = [], 0, 0
    while True:
        step += 1
        kept.append(blob(rng, 3000, 8000))
        leaked += len(kept[-1])
        if step % 40 == 0:
            batch = [blob(rng, 500, 5000) for _ in range(rng.randrange(100, 900))]
            del batch
        yield leaked


def leak_under_minidom_garbage(rng):
    kept, leaked = [], 0
    while True:
        tree = xml.dom.minidom.parseString("<t>" + "<r>text</r>" * rng.randrange(5, 60) + "</t>")
        kept.append((blob(rng, 1500, 5000), len(tree.childNodes)))
        leaked += len(kept[-1][0]) + 80
        yield leaked


def leak_beside_a_filling_cache(rng):
    cache, kept, leaked = {}, [], 0
    while True:
        for _ in range(4):
            cache[rng.randrange(900)] = blob(rng, 2000, 6000)
        kept.append(blob(rng, 2000, 8000))
        leaked += len(kept[-1])
        yield leaked


def leak_under_a_random_walk(rng):
    live, kept, wanted, leaked = [], [], 200.0, 0
    while True:
        wanted = min(350.0, max(50.0, wanted + rng.gauss(0, 5)))
        live += [bytearray(rng.randrange(4000, 20000)) for _ in range(int(wanted) - len(live))]
        del live[int(wanted) :]
        kept.append(blob(rng, 6000, 16000))
        leaked += len(kept[-1])
        yield leaked


def leak_now_and_then(rng):
    kept, leaked = [], 0
    while True:
        if rng.random() < 0.012:
            kept.append(document(rng, 700))
            leaked += len(kept[-1])
        yield leaked


def failed_jobs_in_threads(rng):
    failures, leaked = [], 0

    def work(body):
        try:
            raise ValueError(body)
        except ValueError as error:
            failures.append(error)

    while True:
        thread = threading.Thread(target=work, args=(blob(rng, 2000, 9000),))
        thread.start()
        thread.join()
        leaked += 5500 + 1500
        yield leaked


def generators_half_read(rng):
    def rows(body):
        yield from (body[i : i + 10] for i in range(0, len(body), 10))

    kept, leaked = [], 0
    gc.set_threshold(2000, 10, 10)
    while True:
        for _ in range(3):
            kept.append(rows(blob(rng, 500, 3000)))
            next(kept[-1])
            leaked += 2300
        yield leaked


def sets_of_seen_urls(rng):
    seen, leaked = collections.defaultdict(set), 0
    while True:
        for _ in range(25):
            seen[rng.randrange(60)].add(f"https://example.org/{rng.getrandbits(96):x}")
            leaked += 150
        yield leaked


LEAK_FREE = (
    minidom_garbage,
    element_trees,
    user_cache_random_keys,
    lru_of_documents,
    two_level_cache,
    thread_pool_of_parsers,
    short_lived_threads,
    zip_and_gzip,
    csv_reports,
    sqlite_cache_warms,
    priority_queue_in_balance,
    random_walk_of_clients,
    deep_copies,
    weak_registry,
    fragmenting_mix,
    batches_of_growing_size,
    mails_parsed,
    html_pages,
    columns_swapped,
    slow_start_then_waves,
)
LEAKING = (
    mock_remembers_calls,
    shelf_writeback,
    iterparse_never_cleared,
    tee_with_an_idle_reader,
    classes_made_at_run_time,
    context_stack_never_closed,
    decimals_in_a_ledger,
    finalizers_pending,
    leak_under_batches,
    leak_under_minidom_garbage,
    leak_beside_a_filling_cache,
    leak_under_a_random_walk,
    leak_now_and_then,
    failed_jobs_in_threads,
    generators_half_read,
    sets_of_seen_urls,
)
PROGRAMS = {f.__name__: (f, leaks) for leaks, fs in ((False, LEAK_FREE), (True, LEAKING)) for f in fs}

if __name__ == "__main__":
    random.seed(0)
    run(PROGRAMS)
