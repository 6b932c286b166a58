"""The federated-learning fixture, scanned and audited: three leaks confirmed in `server`, none in `fixed`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from runtime_target import wait_until

from leakaudit.errors import AttachError
from leakaudit.findings import Status
from leakaudit.runtime.attach.preflight import inspect
from leakaudit.runtime.audit import Options, audit
from leakaudit.scan.api import scan

if importlib.util.find_spec("websockets") is None and os.environ.get("CI") != "true":
    pytest.skip("the fixture needs websockets: pip install 'leakaudit[demo]'", allow_module_level=True)

FEDERATED = Path(__file__).resolve().parent / "fixtures" / "federated"
ROUNDS_BEFORE = 5
# More rounds than `fixed` keeps are needed to see that it evicts; the budget leaves room for a loaded machine.
OPTIONS = Options(duration_s=15.0, pause_budget_ms=100.0)


@pytest.fixture
def server(request, tmp_path, missing):
    log = tmp_path / "rounds.jsonl"
    program = (sys.executable, FEDERATED / request.param / "main.py")
    arguments = ("--port", "0", "--round-interval", "0.2", "--data-dir", tmp_path, "--start-nodes")
    process = subprocess.Popen(
        (*program, *arguments, "--round-log", log),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().startswith("READY")
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= ROUNDS_BEFORE)
        try:
            inspect(process.pid)
        except AttachError as error:
            missing(str(error))
        yield process
        process.terminate()
        output, _ = process.communicate(timeout=15)
        assert process.returncode == 0
        assert "DROPPED 0 NODES 8" in output
    finally:
        process.kill()
        process.communicate()


def confirmed(report):
    return {
        finding.symbol.rpartition(".")[2]: finding.verdict
        for finding in report.findings
        if finding.verdict.status is Status.CONFIRMED
    }


@pytest.mark.slow
@pytest.mark.parametrize("server", ["server"], indirect=True)
def test_the_three_leaks_are_confirmed(server):
    report = audit(server.pid, scan, OPTIONS)
    leaks = confirmed(report)
    assert set(leaks) == {"_index_cache", "message_handlers", "updates"}
    for verdict in leaks.values():
        assert verdict.entries_per_s > 1
        assert verdict.bytes_per_s > 1000
        assert 0 < verdict.share <= 1
        assert verdict.exact_bytes
    # The registry holds the closures, which hold the updates: half of those is each one's. The index holds neither.
    assert leaks["message_handlers"].share > leaks["updates"].share > 0.35 > leaks["_index_cache"].share
    assert 0.8 < sum(verdict.share for verdict in leaks.values()) <= 1
    assert leaks["message_handlers"].shared_with[0].symbol.endswith("updates")
    assert report.findings[0].symbol.endswith("message_handlers")


@pytest.mark.slow
@pytest.mark.parametrize("server", ["fixed"], indirect=True)
def test_nothing_is_confirmed_in_the_mended_server(server):
    report = audit(server.pid, scan, OPTIONS)
    assert confirmed(report) == {}
    assert report.findings
