"""The steps and commands of the memory-debugging guide, what was done by hand, and what does it now."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "tests/fixtures/federated/server"
FIXED = "tests/fixtures/federated/fixed"

SCAN = f"leakaudit scan {SOURCE}"
SCAN_FIXED = f"leakaudit scan {FIXED}"
WATCH = "leakaudit monitor PID --every 1s --for 60s"
WATCH_ALL = (
    "leakaudit monitor ALL --every 2s --for 10s --budget server=1.5GB --budget node=800MB --budget total=6GB"
)
TOO_MUCH = "leakaudit monitor PID --every 1s --for 3s --budget server=10MB"
AUDIT = f"leakaudit runtime PID --source {SOURCE} --duration 60s --reclaim --session SESSIONS/before.jsonl"
AUDIT_FIXED = f"leakaudit runtime PID --source {SOURCE} --duration 60s --session SESSIONS/after.jsonl"
MARKED = "leakaudit run --every 50ms -- python examples/federated/fedavg.py --gc-rounds 0 --rounds 100"
COMPARE = (
    "leakaudit compare --vary gc_rounds=0,1 --every 25ms --warmup 25% --floor 20MB "
    "-- python examples/federated/fedavg.py --rounds 60 --gc-rounds {gc_rounds}"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the guide. PID is the server's, ALL are the server's and its nodes'.

    `shows` are patterns, each of the first line that it must match (or, with a newline in it, of two lines), with the
    number of lines after it that are shown.
    `where` names the federation that the command looks at; "verify" comes after all of them, "" needs none. The fixed
    ones run the mended source in the place of the other, as it is after a cure.
    """

    guide: str
    title: str
    by_hand: str
    command: str
    says: str
    shows: tuple[tuple[str, int], ...] = ()
    where: str = ""


def _server(guide: str, title: str, by_hand: str, command: str, says: str, *shows: tuple[str, int]) -> Step:
    return Step(guide, title, by_hand, command, says, shows, "audited" if command == AUDIT else "server")


STEPS: tuple[Step, ...] = (
    _server(
        "Step 1, quick monitor",
        "RSS, delta and threads",
        "`./monitor_memory.sh`: RSS, delta, threads",
        WATCH,
        "RSS, its change and the threads at every look",
        (r"server \d+: rss", 0),
        (r"server \d+: rss .*\(\+", 1),
    ),
    _server(
        "Step 1, watch for patterns",
        "Which pattern it is",
        "tell steady, spiky, plateau and no plateau by eye",
        WATCH,
        "a word for the shape, the rate with its interval, and when memory ends",
        (r"RSS .* (steady growth|accelerating)", 1),
        (r"next: ", 0),
    ),
    _server(
        "Step 2, check process memory",
        "RSS of each process",
        "`ps aux \\| grep server/main.py`, 6th column, again and again",
        WATCH_ALL,
        "each process, and the sum of each group",
        (r"agg_0 \d+: rss", 0),
        (r"server \d+: rss", 0),
        (r"agg_, 2 processes", 0),
        (r"total, 9 processes", 0),
    ),
    _server(
        "Step 2, is it PyTorch/CUDA",
        "CUDA",
        "`torch.cuda.memory_allocated()` and `memory_reserved()` added to the server",
        AUDIT,
        "vitals: where torch uses CUDA, `cuda allocated` and `cuda reserved` are two more; and where the resident "
        "memory is",
        (r"^vitals", 4),
        (r"where the resident memory is", 9),
    ),
    Step(
        "Step 3.1, closures",
        "The closure",
        "read `handle_model_update`, suspect the captured `updates`",
        SCAN,
        "the captured dictionary, and the registration that nothing takes out",
        ((r"LA201 closure-captures-mutable", 10), (r"watch: .*updates", 1)),
    ),
    _server(
        "Step 3.1, closures: is it so?",
        "The closure, asked in the live process",
        "none",
        AUDIT,
        "confirmed, with entries, bytes, share of the growth, and what keeps it",
        (r"^confirmed .*\n  LA201 server", 4),
        (r"-> list\[", 2),
    ),
    _server(
        "Step 3.2, WebSocket buffers",
        "Descriptors and send queues",
        "`lsof -p <server_pid> \\| wc -l`, should be under 100 per node",
        WATCH,
        "descriptors by kind (s sockets, f files, p pipes, o other), and the bytes that wait in send queues",
        (r"server \d+: rss .*descriptors .*queues", 0),
    ),
    _server(
        "Step 3.3, log buffers",
        "Log files",
        "`du -sh logs/*.log`",
        WATCH,
        "number and size of the open logs at each look",
        (r"server \d+: rss .*logs 1: ", 0),
        (r"server \d+: rss .*logs 1: \d\d", 0),
    ),
    Step(
        "Step 3.3, fix: rotate",
        "Sinks without rotation",
        "`logger.add(..., rotation=..., retention=...)`",
        "leakaudit explain LA305",
        "`scan` names sinks without rotation (LA305) and handlers added per call (LA303); the fixture has neither",
        ((r"LA305 log-sink-without-rotation", 0), (r"^Flags", 1)),
    ),
    Step(
        "Step 3.4, metrics cache",
        "The cache",
        "read `_index_cache`",
        SCAN,
        "the cache, what key it grows by, and that nothing is taken out",
        ((r"LA101 unbounded-mapping", 3), (r"self._index_cache\[", 4)),
    ),
    _server(
        "Step 3.4, metrics cache: is it so?",
        "The cache, asked in the live process",
        "none",
        AUDIT,
        "confirmed, and that it is 3 or 4 % of the growth: not what fills the memory",
        (r"^confirmed .*\n  LA101 server", 3),
    ),
    _server(
        "Step 3.5, samples not released",
        "Would collecting help?",
        "`gc.collect()` after deleting",
        AUDIT,
        "no: nothing is unreachable, it is all still referred to",
        (r"^collecting took", 1),
    ),
    Step(
        "Step 3.6, handlers accumulate",
        "The handlers",
        "read `message_handlers`",
        SCAN,
        "the registry, where it is filled, and that nothing takes a handler out",
        ((r"LA301 handler-registry-never-cleared", 4), (r"self.message_handlers.setdefault", 4)),
    ),
    _server(
        "Step 3.6, handlers: is it so?",
        "The handlers, asked in the live process",
        "none",
        AUDIT,
        "confirmed: four handlers a second, one for each round",
        (r"^confirmed .*\n  LA301 server", 2),
        (r"retains", 3),
    ),
    _server(
        "Step 4 A, `python debug_memory.py <pid> monitor 5 300`",
        "The debug script",
        "RSS and object counts, every 5 s for 300 s",
        AUDIT,
        "the same for `--duration 300s`; keeps all that it sees with `--session`",
        (r"^verdict", 0),
        (r"^vitals", 4),
    ),
    Step(
        "Step 4 B, tracemalloc in `_execute_round`",
        "Growth per round",
        "start, stop and log `get_traced_memory()` each round",
        MARKED,
        "`leakaudit.mark(...)` once a round: what each round left behind; nothing is traced. Which container: "
        "`leakaudit runtime`",
        ((r"growth per mark", 0),),
    ),
    Step(
        "Step 4 C, memory_profiler's `@profile`",
        "A program from its start to its end",
        "decorate, run, read the lines",
        MARKED,
        "the curve and trend of the whole program, as `mprof run` records it; no figures for each line",
        ((r"exit code 0, ", 0), (r"ended: RSS .*(steady growth|accelerating)", 1)),
    ),
    Step(
        "Step 5, WebSocket buffers: `drain()`",
        "Writing without waiting",
        "add `await websocket.drain()`",
        "leakaudit explain LA504",
        "`scan` names writes that nothing drains; the fixture awaits `send`, which waits by itself",
        ((r"LA504 write-without-drain", 2), (r"^Flags", 1)),
    ),
    Step(
        "Step 5, handlers and cache cleared",
        "Scanned after the cure",
        "set to None, delete the oldest keys, `gc.collect()`",
        SCAN_FIXED,
        "no finding in the mended server",
        ((r"^0 findings|no findings", 0), (r"exit code 0", 0)),
    ),
    _server(
        "Step 5, `malloc_trim(0)`",
        "Would trimming help?",
        "`ctypes.CDLL('libc.so.6').malloc_trim(0)` after each round",
        AUDIT,
        "how much is kept free, and what `malloc_trim` gave back when tried once",
        (r"kept free by the allocators", 0),
        (r"malloc_trim took", 0),
    ),
    Step(
        "Step 5, is cleaning up worth it",
        "Cleaning up, compared",
        "none",
        COMPARE,
        "one program with and without cleaning up, in peak, trend and time",
        ((r"^ +setting +runs", 2),),
    ),
    Step(
        "Step 6, confirm the fix",
        "Cured, or not",
        "run the monitor again, look for a plateau",
        "leakaudit verify --before SESSIONS/before.jsonl --after SESSIONS/after.jsonl",
        "each container that was confirmed before, and whether it still grows; exit code 0 when all are cured",
        ((r"^cured", 3), (r"^cured", 3), (r"^cured", 3), (r"^passed", 1)),
        "verify",
    ),
    Step(
        "Step 6, growth stops",
        "The audit after the cure",
        "none",
        AUDIT_FIXED,
        "no growth is confirmed in the mended server",
        ((r"^vitals", 1), (r"findings checked: ", 0), (r"exit code 0", 0)),
        "fixed audited",
    ),
    Step(
        "Step 6, memory stabilizes at a plateau",
        "The plateau",
        "read the curve",
        "leakaudit monitor PID --every 500ms --for 60s",
        "the trend of the mended server",
        ((r"server \d+: RSS .* (stable|plateau|step)", 0),),
        "fixed",
    ),
    Step(
        "Step 6, delta stays near 0",
        "What changed",
        "read the numbers",
        "leakaudit report SESSIONS/after.jsonl --before SESSIONS/before.jsonl",
        "the heap's growth before and after, and each container's",
        ((r"heap growth", 1),),
        "verify",
    ),
    _server(
        "Quick command 1, `watch -n 5 'ps aux \\| ...'`",
        "Watching",
        "RSS in MB every 5 s",
        WATCH,
        "the same with `--every 5s`; on a terminal a table that stays in place",
        (r"server \d+: rss", 0),
    ),
    _server(
        "Quick command 2, count objects",
        "Objects",
        "`python -c '... len(gc.get_objects())'`, which counts those of the new interpreter, not of the server",
        AUDIT,
        "blocks of the server's own heap, first and last; types that grow without an explanation would follow",
        (r"^blocks", 0),
        (r"findings checked", 0),
    ),
    _server(
        "Quick command 3, zombies",
        "Children and zombies",
        "`ps aux \\| grep -E '(agg_\\|pos_\\|tac_)' \\| wc -l`, which counts all nodes, living ones too",
        WATCH_ALL,
        "children of each process; those that ended and were not reaped are told apart, here are none",
        (r"server \d+: rss .*children 0", 0),
    ),
    _server(
        "Quick command 4, descriptors",
        "Descriptors over time",
        "`lsof -p <server_pid> \\| wc -l`",
        WATCH,
        "as in step 3.2; what grows has a trend at the end, descriptors do not here",
        (r"server \d+: rss .*descriptors", 0),
        (r"server \d+: RSS", 4),
    ),
    _server(
        "Expected memory: server 0.5-1.5 GB, node 300-800 MB, total 3-6 GB",
        "Within the budgets",
        "compare with the table",
        WATCH_ALL,
        "exit code 0 while all are within",
        (r"exit code 0", 0),
    ),
    _server(
        "Expected memory: more is a leak",
        "Over budget",
        "none",
        TOO_MUCH,
        "exit code 1, and who went over it when",
        (r"^over budget", 1),
    ),
    _server(
        "Next steps 2 and 3: when it jumps, and the code of that step",
        "Where the growth comes from",
        "guess from the round's log",
        AUDIT,
        "the line that adds, and why it is reached",
        (r"grows$|: grows", 2),
    ),
)
