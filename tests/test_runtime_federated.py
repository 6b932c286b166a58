"""The federated-learning fixture, scanned and audited: three leaks confirmed in `server`, none in `fixed`."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from runtime_target import wait_until

from leakaudit.cli.main import cli
from leakaudit.errors import AttachError
from leakaudit.findings import Status
from leakaudit.report.json_v1 import document
from leakaudit.runtime.attach.preflight import inspect
from leakaudit.runtime.audit import Options, audit
from leakaudit.scan.api import scan

if importlib.util.find_spec("websockets") is None and os.environ.get("CI") != "true":
    pytest.skip("the fixture needs websockets: pip install 'leakaudit[demo]'", allow_module_level=True)

FEDERATED = Path(__file__).resolve().parent / "fixtures" / "federated"
ROUNDS_BEFORE = 5
# More rounds than `fixed` keeps are needed to see that it evicts; the budget leaves room for a loaded machine.
OPTIONS = Options(duration_s=15.0, pause_budget_ms=100.0)


@contextmanager
def running(folder, directory, missing):
    """Run one of the servers with its nodes; give its pid."""
    log = directory / "rounds.jsonl"
    program = (sys.executable, FEDERATED / folder / "main.py")
    arguments = ("--port", "0", "--round-interval", "0.2", "--data-dir", directory, "--start-nodes")
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
        yield process.pid
        process.terminate()
        output, _ = process.communicate(timeout=15)
        assert process.returncode == 0
        assert "DROPPED 0 NODES 8" in output
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def leaky(tmp_path_factory, missing):
    """The leaking server's report, and its session file."""
    return audited("server", tmp_path_factory.mktemp("leaky"), missing)


@pytest.fixture(scope="module")
def mended(tmp_path_factory, missing):
    """The mended server's report, and its session file."""
    return audited("fixed", tmp_path_factory.mktemp("mended"), missing)


def audited(folder, directory, missing):
    session = directory / "session.jsonl"
    with running(folder, directory, missing) as pid:
        return audit(pid, scan, replace(OPTIONS, session=session)), session


def confirmed(report):
    return {
        finding.symbol.rpartition(".")[2]: finding.verdict
        for finding in report.findings
        if finding.verdict.status is Status.CONFIRMED
    }


@pytest.mark.slow
def test_the_three_leaks_are_confirmed(leaky):
    report, _ = leaky
    leaks = confirmed(report)
    assert set(leaks) == {"_index_cache", "message_handlers", "updates"}
    for verdict in leaks.values():
        assert verdict.entries_per_s > 1
        assert verdict.bytes_per_s > 1000
        assert 0 < verdict.share <= 1
        assert verdict.exact_bytes
    # The registry holds the closures, which hold the updates: half of those is each one's. The index holds neither.
    assert leaks["message_handlers"].share > leaks["updates"].share > 0.35 > leaks["_index_cache"].share
    # Growth of the heap is what came less what went, so all that came may be a little more.
    assert 0.8 < sum(verdict.share for verdict in leaks.values()) < 1.02
    assert leaks["message_handlers"].shared_with[0].symbol.endswith("updates")
    assert report.findings[0].symbol.endswith("message_handlers")


@pytest.mark.slow
def test_nothing_is_confirmed_in_the_mended_server(mended):
    report, _ = mended
    assert confirmed(report) == {}
    assert report.findings


def leakaudit(*arguments):
    return CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)


@pytest.mark.slow
def test_the_cure_is_verified_and_the_swap_fails(leaky, mended):
    before, after = leaky[1], mended[1]
    cured = leakaudit("verify", "--before", before, "--after", after)
    assert cured.exit_code == 0, cured.output
    assert cured.output.endswith("passed: 3 cured\n")
    swapped = leakaudit("verify", "--before", after, "--after", before)
    assert swapped.exit_code == 1
    assert swapped.output.endswith("failed: 3 new\n")


@pytest.mark.slow
def test_a_session_is_told_again_as_it_was_and_as_far_as_it_goes(leaky, tmp_path):
    report, session = leaky
    again = json.loads(leakaudit("report", session, "--format", "json").output)
    assert again == json.loads(json.dumps(document(report)))
    lines = session.read_bytes().splitlines(keepends=True)
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join(lines[:-3]) + lines[-3][:40])
    told = leakaudit("report", cut)
    assert "the session was cut off" in told.output
    assert "message_handlers" in told.output


@pytest.mark.slow
def test_a_scan_believes_the_process(leaky):
    server = FEDERATED / "server"
    result = leakaudit("scan", server, "--evidence", leaky[1], "--no-config", "--format", "json")
    findings = json.loads(result.output)["findings"]
    said = {item["symbol"].rpartition(".")[2]: item["evidence"][-1] for item in findings}
    assert set(said) == {"_index_cache", "message_handlers", "updates"}
    assert all((item["fact"], item["value"]) == ("process", "confirmed") for item in said.values())
