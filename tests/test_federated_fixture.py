"""The federated-learning fixture: it runs, it ends cleanly, it grows where it says and nowhere else."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

if importlib.util.find_spec("websockets") is None and os.environ.get("CI") != "true":
    pytest.skip("the fixture needs websockets: pip install 'leakaudit[demo]'", allow_module_level=True)

FEDERATED = Path(__file__).resolve().parent / "fixtures" / "federated"
VARIANTS = ("server", "fixed")
NAMES = ("agg_0", "agg_1", "pos_0", "pos_1", "pos_2", "tac_0", "tac_1", "tac_2")
MENDED = {"main.py", "communication/server_socket.py", "storage/file_metrics_store.py"}
NOISE = ("Traceback", "destroyed", "never awaited", "never retrieved", "ResourceWarning")
PATIENCE_S = 15.0
ROUNDS = 30
RUNS_KEPT_BY_FIXED = 10


@contextlib.contextmanager
def running(program, *arguments, root=FEDERATED):
    """Start one of the fixture's programs from an unrelated folder; after the block it is dead."""
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", root / program, *map(str, arguments)],
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def read_port(server):
    """Read the two lines that a server starts with and return its port."""
    assert server.stdout.readline() == f"READY {server.pid}\n"
    label, port = server.stdout.readline().split()
    assert label == "PORT"
    return port


def ended_well(process):
    """Assert exit code 0 and no complaint, and return the lines on standard output."""
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert not [word for word in NOISE if word in errors], errors
    return output.splitlines()


def read_rounds(log):
    """Return the finished rounds in a round log."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def wait_for_round(log, condition):
    """Return once the newest round in the log meets the condition."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if any(condition(row) for row in read_rounds(log)[-1:]):
            return
        time.sleep(0.02)
    pytest.fail(f"no such round within {PATIENCE_S} s: {read_rounds(log)[-1:]}")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_copy_runs_its_rounds_with_all_eight_nodes(variant, tmp_path):
    root = shutil.copytree(FEDERATED, tmp_path / "site-packages" / "demo" / "federated")
    log = tmp_path / "rounds.jsonl"
    options = (
        "--port",
        0,
        "--round-interval",
        0.02,
        "--rounds",
        6,
        "--data-dir",
        tmp_path,
        "--round-log",
        log,
    )
    extra = ("--min-nodes", 8, "--retained-files", 4, "--start-nodes")
    with running(f"{variant}/main.py", *options, *extra, root=root) as server:
        read_port(server)
        assert ended_well(server) == ["ROUNDS 6 DROPPED 0 NODES 8"]

    rows = read_rounds(log)
    assert [row["round"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert {(row["participants"], row["updates"]) for row in rows} == {(8, 8)}
    times = [moment for row in rows for moment in (row["started"], row["finished"])]
    assert times == sorted(times)
    stored = [json.loads(path.read_text()) for path in sorted((tmp_path / "runs").iterdir())]
    assert [run["round_number"] for run in stored] == [3, 4, 5, 6]
    assert set(stored[-1]["nodes"]) == set(NAMES)


@pytest.mark.parametrize(("variant", "number"), [("server", signal.SIGTERM), ("fixed", signal.SIGINT)])
def test_a_signal_ends_the_server_and_with_it_the_nodes(variant, number, tmp_path):
    log = tmp_path / "rounds.jsonl"
    options = (
        "--port",
        0,
        "--round-interval",
        0.02,
        "--data-dir",
        tmp_path,
        "--round-log",
        log,
        "--min-nodes",
        2,
    )
    with running(f"{variant}/main.py", *options) as server:
        port = read_port(server)
        names = ("--names", "agg_0,tac_2", "--port", port, "--process-per-node")
        with running("nodes/__main__.py", *names) as nodes:
            wait_for_round(log, lambda row: row["round"] >= 3)
            sent = time.monotonic()
            server.send_signal(number)
            (summary,) = ended_well(server)
            assert time.monotonic() - sent < 5
            assert ended_well(nodes) == []
    rounds = len(read_rounds(log))
    assert summary == f"ROUNDS {rounds} DROPPED 0 NODES 2"


def test_a_killed_node_counts_as_dropped_and_one_that_leaves_does_not(tmp_path):
    log = tmp_path / "rounds.jsonl"
    options = (
        "--port",
        0,
        "--round-interval",
        0.02,
        "--round-timeout",
        0.5,
        "--data-dir",
        tmp_path,
        "--round-log",
        log,
    )
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running("server/main.py", *options, "--min-nodes", 1))
        port = read_port(server)
        stays, leaves, dies = (
            stack.enter_context(running("nodes/__main__.py", "--names", name, "--port", port))
            for name in ("agg_0", "pos_1", "tac_2")
        )
        wait_for_round(log, lambda row: row["updates"] == 3)
        leaves.terminate()
        assert ended_well(leaves) == []
        dies.kill()
        wait_for_round(log, lambda row: row["participants"] == 1)
        server.terminate()
        (summary,) = ended_well(server)
        assert summary.split()[2:] == ["DROPPED", "1", "NODES", "3"]
        assert ended_well(stays) == []


@pytest.fixture
def import_fixture(monkeypatch):
    """Import a module of the fixture; afterwards its packages are forgotten again."""
    monkeypatch.syspath_prepend(FEDERATED)
    yield importlib.import_module
    for name in [name for name in sys.modules if name.partition(".")[0] in {"server", "fixed", "nodes"}]:
        del sys.modules[name]


async def federate(main, node, data_dir):
    """Run ROUNDS rounds in this process over real connections; return the server, stopped."""
    config = main.ServerConfig(data_dir=data_dir, rounds=ROUNDS, round_interval=0.0, min_nodes=len(NAMES))
    federation = main.FederatedServer(config)
    await federation.start()
    nodes = [node.FederatedNode(name, config.host, federation.server.port) for name in NAMES]
    work = asyncio.gather(*(member.run() for member in nodes))
    await asyncio.wait_for(federation.run(asyncio.Event()), PATIENCE_S)
    await federation.stop()
    await asyncio.wait_for(work, PATIENCE_S)
    assert [member.rounds_trained for member in nodes] == [ROUNDS] * len(NAMES)
    return federation


def run_in_process(import_fixture, variant, data_dir):
    return asyncio.run(federate(import_fixture(f"{variant}.main"), import_fixture("nodes.node"), data_dir))


def update_handlers(federation):
    """Return the handlers that the server holds for model updates."""
    by_type = {kind.name: handlers for kind, handlers in federation.server.message_handlers.items()}
    return by_type["MODEL_UPDATE"]


def test_the_server_grows_in_its_three_containers(import_fixture, tmp_path):
    federation = run_in_process(import_fixture, "server", tmp_path)
    runs = list(federation.metrics_store._index_cache.values())
    assert [run.round_number for run in runs] == list(range(1, ROUNDS + 1))
    assert len(update_handlers(federation)) == ROUNDS
    for handler in update_handlers(federation):
        updates = inspect.getclosurevars(handler).nonlocals["updates"]
        assert set(updates) == set(NAMES)
        assert all(len(update.weights) == federation.config.features for update in updates.values())
    first, last = (sum(node["loss"] for node in run.nodes.values()) for run in (runs[0], runs[-1]))
    assert last < first / 2, "the nodes do not learn"


def test_the_fixed_server_stays_bounded(import_fixture, tmp_path):
    federation = run_in_process(import_fixture, "fixed", tmp_path)
    runs = federation.metrics_store._index_cache.values()
    assert [run.round_number for run in runs] == list(range(ROUNDS + 1 - RUNS_KEPT_BY_FIXED, ROUNDS + 1))
    assert update_handlers(federation) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_look_alikes_stay_bounded(variant, import_fixture, tmp_path):
    federation = run_in_process(import_fixture, variant, tmp_path)
    server, models = federation.server, federation.models
    assert {kind.name for kind in server.received} <= {"HEARTBEAT", "METRICS", "MODEL_UPDATE"}
    assert {phase.name for phase in federation.telemetry.phase_seconds} == {"COLLECT", "AGGREGATE"}
    assert federation.telemetry._recent.maxlen == 50
    assert len(models._versions) == 12
    assert len(models._current) == 3
    assert set(import_fixture(f"{variant}.aggregation.strategies").STRATEGIES) == {
        "fedavg",
        "median",
        "trimmed_mean",
    }
    assert set(federation.monitor._status) == set(NAMES)
    handlers = [len(found) for kind, found in server.message_handlers.items() if kind.name != "MODEL_UPDATE"]
    assert handlers == [1, 1]
    assert (server.sessions, federation._background) == ({}, set())


def test_a_silent_node_is_forgotten(import_fixture):
    monitor = import_fixture("server.monitoring.node_monitor").NodeMonitor(timeout=-1.0)
    monitor.handle_heartbeat("agg_0", None)
    assert monitor.sweep() == ["agg_0"]
    assert monitor.sweep() == []


def test_fixed_is_the_server_but_for_the_mended_modules():
    def modules(variant):
        root = FEDERATED / variant
        return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*.py")}

    server, fixed = modules("server"), modules("fixed")
    assert server.keys() == fixed.keys()
    imports = {name: text.replace("from fixed.", "from server.") for name, text in fixed.items()}
    assert {name for name, text in server.items() if imports[name] != text} == MENDED


def test_the_code_parses_as_python_39_and_gives_nothing_away():
    for path in FEDERATED.rglob("*.py"):
        text = path.read_text()
        ast.parse(text, feature_version=(3, 9))
        assert "leak" not in text.lower(), path
