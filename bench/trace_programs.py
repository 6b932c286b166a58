"""Small real programs whose memory is recorded: `python trace_programs.py NAME SECONDS SEED`.

Each program is a generator: one step of work per `next`, yielding the bytes that it has leaked so far.
Standard library only, Python 3.8+, so that every interpreter at hand can be recorded.
"""

# ruff: noqa: ARG001, B007, PERF401, PTH123, UP033

import asyncio
import collections
import functools
import gc
import io
import json
import logging
import logging.handlers
import math
import pickle
import queue
import random
import re
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import zlib

STEP_S = 0.01
KIB = 1024


def blob(rng, low, high):
    """A bytes object of a random size that is really touched."""
    return bytes([rng.randrange(256)]) * rng.randrange(low, high)


def document(rng, fields):
    """A JSON text with `fields` fields of mixed types."""
    return json.dumps(
        {
            f"user-{rng.randrange(10**6)}": {"score": rng.random(), "tags": [f"t{rng.randrange(99)}"] * 4}
            for _ in range(fields)
        }
    )


def zipf(rng, exponent=1.2):
    """A heavy-tailed positive integer (Pareto, rounded down)."""
    return int(rng.paretovariate(exponent - 0.2) * 10)


# --- leak-free ----------------------------------------------------------------------------------


def idle(rng):
    while True:
        yield 0


def cache_fills_then_hits(rng):
    @functools.lru_cache(maxsize=6000)
    def load(key):
        return blob(rng, 500, 4000)

    while True:
        for _ in range(12):
            load(rng.randrange(6000))
        yield 0


def lru_churn(rng):
    cache = collections.OrderedDict()
    while True:
        for _ in range(20):
            cache[rng.randrange(10**9)] = blob(rng, 200, 9000)
            if len(cache) > 1500:
                cache.popitem(last=False)
        yield 0


def ttl_cache_swept(rng):
    cache, swept = {}, time.monotonic()
    while True:
        now = time.monotonic()
        for _ in range(25):
            cache[rng.randrange(10**9)] = (now, blob(rng, 300, 3000))
        if now - swept > 1.7:
            swept = now
            for key in [k for k, (t, _) in cache.items() if now - t > 1.0]:
                del cache[key]
        yield 0


class Node:
    """Half of a reference cycle with a payload."""

    def __init__(self, payload):
        self.payload, self.peer = payload, None


def gc_cycles(rng):
    gc.set_threshold(3000, 5, 5)
    while True:
        for _ in range(40):
            a, b = Node(blob(rng, 200, 2500)), Node(None)
            a.peer, b.peer = b, a
        yield 0


def json_requests(rng):
    while True:
        for _ in range(2):
            json.loads(document(rng, rng.randrange(5, 120)))
        yield 0


def thread_bursts(rng):
    def work():
        parts = [blob(rng, 600, 40000) for _ in range(150)]
        time.sleep(0.02)
        del parts

    step = 0
    while True:
        step += 1
        if step % 12 == 0:
            threads = [threading.Thread(target=work) for _ in range(rng.randrange(1, 9))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        yield 0


def heavy_tailed_bursts(rng):
    while True:
        size = min(int(rng.paretovariate(1.3) * 200), 60000)
        rows = [("row", i, str(i)) for i in range(size)]
        del rows
        yield 0


def model_loaded_once(rng):
    at, step, model = rng.randrange(600, 1800), 0, []
    while True:
        step += 1
        if step == at:
            model = [blob(rng, 50000, 60000) for _ in range(120)]
        json.loads(document(rng, 20))
        yield 0 * len(model)


def modules_loaded_lazily(rng):
    moments = sorted(rng.sample(range(100, 1500), 3))
    step, parts = 0, []
    while True:
        step += 1
        if step in moments:
            parts.append([blob(rng, 20000, 30000) for _ in range(rng.randrange(40, 160))])
        zlib.compress(blob(rng, 1000, 30000))
        yield 0


def load_ramp(rng):
    step, live = 0, collections.deque()
    while True:
        step += 1
        wanted = int(400 * (1 - abs(1 - step / 1300)) + 40) if step < 2600 else 40
        live.append(blob(rng, 4000, 9000))
        while len(live) > wanted:
            live.popleft()
        yield 0


def batch_spikes(rng):
    step, next_spike = 0, 150
    while True:
        step += 1
        if step == next_spike:
            next_spike = step + rng.randrange(90, 260)
            batch = [bytearray(200000) for _ in range(rng.randrange(40, 140))]
            time.sleep(0.12)
            del batch
        yield 0


def sqlite_window(rng):
    db = sqlite3.connect(":memory:")
    db.execute("create table e (id integer primary key, body text)")
    row = 0
    while True:
        for _ in range(20):
            row += 1
            db.execute("insert into e values (?, ?)", (row, "x" * rng.randrange(100, 2500)))
        db.execute("delete from e where id <= ?", (row - 8000,))
        yield 0


def bounded_deque(rng):
    ring = collections.deque(maxlen=9000)
    while True:
        for _ in range(11):
            ring.append({"t": time.time(), "v": blob(rng, 100, 900)})
        yield 0


def zipf_bounded_cache(rng):
    @functools.lru_cache(maxsize=4000)
    def load(key):
        return blob(rng, 1000, 5000)

    while True:
        for _ in range(25):
            load(zipf(rng))
        yield 0


async def _request(rng):
    body = blob(rng, 500, 20000)
    await asyncio.sleep(rng.random() * 0.2)
    return len(body)


def asyncio_requests(rng):
    loop = asyncio.new_event_loop()
    tasks = set()

    async def turn():
        for _ in range(rng.randrange(1, 12)):
            task = asyncio.ensure_future(_request(rng))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.001)

    while True:
        loop.run_until_complete(turn())
        yield 0


def buffered_log(rng):
    target = logging.StreamHandler(io.StringIO())
    target.setStream(open("/dev/null", "w"))  # noqa: SIM115
    log = logging.Logger("buffered")
    log.addHandler(logging.handlers.MemoryHandler(9000, logging.CRITICAL, target))
    while True:
        for _ in range(60):
            log.info("request %s took %.3f", "x" * rng.randrange(50, 400), rng.random())
        yield 0


def compressor(rng):
    while True:
        raw = b"".join(blob(rng, 100, 2000) for _ in range(rng.randrange(5, 80)))
        zlib.decompress(zlib.compress(raw))
        yield 0


def registry_of_varied_sizes(rng):
    table = {}
    while True:
        for _ in range(10):
            size = int(min(rng.lognormvariate(7.5, 1.4), 200000))
            table[rng.randrange(900)] = bytes(size)
        yield 0


def write_behind_batches(rng):
    pending = []
    while True:
        for _ in range(18):
            pending.append(document(rng, 3))
        if len(pending) >= 2200:
            "".join(pending)
            pending.clear()
        yield 0


def daily_sine(rng):
    started, live = time.monotonic(), collections.deque()
    while True:
        wave = 1 + math.sin((time.monotonic() - started) * 2 * math.pi / 7.3)
        for _ in range(8):
            live.append(blob(rng, 1000, 6000))
        while len(live) > 300 + 900 * wave:
            live.popleft()
        yield 0


def pickled_snapshots(rng):
    state = {i: blob(rng, 100, 900) for i in range(4000)}
    step = 0
    while True:
        step += 1
        state[rng.randrange(4000)] = blob(rng, 100, 900)
        if step % 40 == 0:
            pickle.loads(pickle.dumps(state))
        yield 0


def regex_and_templates(rng):
    while True:
        word = f"w{rng.randrange(3000)}"
        text = " ".join(f"w{rng.randrange(3000)}" for _ in range(300))
        re.sub(rf"\b{word}\b", f"<b>{word}</b>", text)
        yield 0


def mapped_files(rng):
    import mmap

    with tempfile.TemporaryFile() as f:
        f.write(b"x" * (8 << 20))
        f.flush()
        while True:
            with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
                for _ in range(100):
                    m[rng.randrange(len(m))]
                yield 0


def warm_up_then_requests(rng):
    step, tables = 0, []
    while True:
        step += 1
        if step < 700:
            tables.append(blob(rng, 5000, 15000))
        json.loads(document(rng, rng.randrange(10, 60)))
        yield 0


def worker_pool_steady(rng):
    jobs = queue.Queue(maxsize=20)

    def worker():
        while True:
            size = jobs.get()
            _ = [bytes(size) for _ in range(30)]

    for _ in range(6):
        threading.Thread(target=worker, daemon=True).start()
    while True:
        jobs.put(rng.randrange(500, 60000))
        yield 0


# --- leaking ------------------------------------------------------------------------------------


def session_dict(rng, per_step=3, low=200, high=1500):
    sessions, leaked = {}, 0
    while True:
        for _ in range(per_step):
            body = blob(rng, low, high)
            sessions[f"session-{rng.randrange(10**12)}"] = {"body": body}
            leaked += len(body) + 350
        json.loads(document(rng, 10))
        yield leaked


def session_dict_slow(rng):
    return session_dict(rng, 1, 50, 300)


def session_dict_fast(rng):
    return session_dict(rng, 12, 500, 4000)


def numbers_list(rng):
    seen, leaked = [], 0
    while True:
        for _ in range(120):
            seen.append(rng.randrange(10**9, 10**12))
            leaked += 40
        yield leaked


def ids_set(rng):
    seen, leaked = set(), 0
    while True:
        for _ in range(40):
            seen.add(f"{rng.getrandbits(128):032x}")
            leaked += 81 + 40
        yield leaked


def lump_per_round(rng):
    rounds, leaked, step = [], 0, 0
    while True:
        step += 1
        if step % 100 == 0:
            update = [blob(rng, 20000, 40000) for _ in range(25)]
            rounds.append(update)
            leaked += sum(map(len, update))
        json.loads(document(rng, 20))
        yield leaked


def leak_under_gc_sawtooth(rng):
    gc.set_threshold(3000, 5, 5)
    kept, leaked = [], 0
    while True:
        for _ in range(40):
            a, b = Node(blob(rng, 200, 2500)), Node(None)
            a.peer, b.peer = b, a
        kept.append(blob(rng, 1000, 3000))
        leaked += len(kept[-1])
        yield leaked


def leak_under_ttl_sweeps(rng):
    cache, swept, forgotten, leaked = {}, time.monotonic(), {}, 0
    while True:
        now = time.monotonic()
        for _ in range(25):
            cache[rng.randrange(10**9)] = (now, blob(rng, 300, 3000))
        forgotten[rng.randrange(10**12)] = blob(rng, 800, 2000)
        leaked += 1500
        if now - swept > 1.3:
            swept = now
            for key in [k for k, (t, _) in cache.items() if now - t > 0.8]:
                del cache[key]
        yield leaked


def leak_after_warm_up(rng):
    tables, kept, leaked, step = [], [], 0, 0
    while True:
        step += 1
        if step < 500:
            tables.append(blob(rng, 8000, 20000))
        kept.append(blob(rng, 1000, 4000))
        leaked += len(kept[-1])
        yield leaked


def leak_under_spikes(rng):
    step, next_spike, kept, leaked = 0, 100, [], 0
    while True:
        step += 1
        kept.append(blob(rng, 500, 2500))
        leaked += len(kept[-1])
        if step == next_spike:
            next_spike = step + rng.randrange(60, 200)
            batch = [bytearray(200000) for _ in range(rng.randrange(20, 90))]
            time.sleep(0.12)
            del batch
        yield leaked


def accelerating_history(rng):
    history, leaked, step = [], 0, 0
    while True:
        step += 1
        history.append(bytes([step % 256]) * (6 * step))
        leaked += 6 * step
        yield leaked


def closures_per_request(rng):
    handlers, leaked = [], 0
    while True:
        for _ in range(2):
            body = blob(rng, 300, 1800)
            handlers.append(lambda body=body: len(body))
            leaked += len(body) + 150
        json.loads(document(rng, rng.randrange(5, 60)))
        yield leaked


def parked_threads(rng):
    gate, step, leaked = threading.Event(), 0, 0

    def park():
        data = b"x" * 150000
        gate.wait()
        return data

    while True:
        step += 1
        if step % 25 == 0:
            threading.Thread(target=park, daemon=True).start()
            leaked += 150000 + 20000
        yield leaked


def unbounded_zipf_cache(rng):
    @functools.lru_cache(maxsize=None)
    def load(key):
        return blob(rng, 1000, 3000)

    while True:
        for _ in range(6):
            load(zipf(rng))
        yield load.cache_info().currsize * 2100


def retained_tracebacks(rng):
    errors, leaked = [], 0

    def fail(depth, body):
        if depth:
            fail(depth - 1, body)
        raise ValueError(len(body))

    while True:
        try:
            fail(12, blob(rng, 1000, 3000))
        except ValueError as error:
            errors.append(error)
            leaked += 2000 + 13 * 450
        yield leaked


def tasks_never_done(rng):
    loop = asyncio.new_event_loop()
    waiting, leaked = [], 0

    async def wait_for_reply(body):
        await loop.create_future()
        return body

    async def turn():
        for _ in range(3):
            waiting.append(asyncio.ensure_future(wait_for_reply(blob(rng, 200, 1000))))
        await asyncio.sleep(0)

    while True:
        loop.run_until_complete(turn())
        leaked += 3 * 2200
        yield leaked


def slow_consumer_queue(rng):
    backlog, leaked = collections.deque(), 0
    while True:
        for _ in range(rng.randrange(0, 9)):
            backlog.append(blob(rng, 500, 3000))
        for _ in range(min(2, len(backlog))):
            backlog.popleft()
        leaked = sum(map(len, backlog))
        yield leaked


def growing_text_buffer(rng):
    out, leaked = bytearray(), 0
    while True:
        out += blob(rng, 1000, 5000)
        leaked = len(out)
        json.loads(document(rng, 30))
        yield leaked


def one_request_in_fifty(rng):
    kept, leaked = [], 0
    while True:
        if rng.random() < 0.02:
            kept.append(blob(rng, 50000, 200000))
            leaked += len(kept[-1])
        json.loads(document(rng, rng.randrange(5, 60)))
        yield leaked


def leak_starts_late(rng):
    step, kept, leaked = 0, [], 0
    while True:
        step += 1
        if step > 800:
            kept.append(blob(rng, 1000, 5000))
            leaked += len(kept[-1])
        json.loads(document(rng, rng.randrange(5, 40)))
        yield leaked


def sockets_kept_open(rng):
    pairs, leaked, step = [], 0, 0
    while True:
        step += 1
        if step % 20 == 0:
            pairs.append(socket.socketpair())
        kept = blob(rng, 500, 1500)
        pairs.append(kept)
        leaked += len(kept)
        yield leaked


def metric_label_children(rng):
    counters, leaked = {}, 0
    while True:
        for _ in range(4):
            labels = ("GET", f"/item/{rng.randrange(10**9)}", str(rng.randrange(500)))
            counters.setdefault(labels, [0.0] * 12)[0] += 1
            leaked += 480
        yield leaked


def leak_under_thread_churn(rng):
    kept, leaked, step = [], 0, 0

    def work():
        parts = [blob(rng, 600, 20000) for _ in range(60)]
        time.sleep(0.01)
        kept.append(parts[0] + parts[1])

    while True:
        step += 1
        if step % 6 == 0:
            threads = [threading.Thread(target=work) for _ in range(3)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            leaked += 3 * 20600
        yield leaked


LEAK_FREE = (
    idle,
    cache_fills_then_hits,
    lru_churn,
    ttl_cache_swept,
    gc_cycles,
    json_requests,
    thread_bursts,
    heavy_tailed_bursts,
    model_loaded_once,
    modules_loaded_lazily,
    load_ramp,
    batch_spikes,
    sqlite_window,
    bounded_deque,
    zipf_bounded_cache,
    asyncio_requests,
    buffered_log,
    compressor,
    registry_of_varied_sizes,
    write_behind_batches,
    daily_sine,
    pickled_snapshots,
    regex_and_templates,
    mapped_files,
    warm_up_then_requests,
    worker_pool_steady,
)
LEAKING = (
    session_dict,
    session_dict_slow,
    session_dict_fast,
    numbers_list,
    ids_set,
    lump_per_round,
    leak_under_gc_sawtooth,
    leak_under_ttl_sweeps,
    leak_after_warm_up,
    leak_under_spikes,
    accelerating_history,
    closures_per_request,
    parked_threads,
    unbounded_zipf_cache,
    retained_tracebacks,
    tasks_never_done,
    slow_consumer_queue,
    growing_text_buffer,
    one_request_in_fifty,
    leak_starts_late,
    sockets_kept_open,
    metric_label_children,
    leak_under_thread_churn,
)
PROGRAMS = {f.__name__: (f, leaks) for leaks, fs in ((False, LEAK_FREE), (True, LEAKING)) for f in fs}


def run(programs):
    """Run one program for the given seconds, then print what it leaked as JSON."""
    name, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    program, _ = programs[name]
    print("READY", flush=True)
    started = time.monotonic()
    leaked = 0
    for leaked in program(random.Random(seed)):
        if time.monotonic() - started >= seconds:
            break
        time.sleep(STEP_S)
    print(json.dumps({"leaked": leaked, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    run(PROGRAMS)
