"""`leakaudit runtime`: what the options mean to the audit, and once the whole way with a live process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from report_samples import RUNTIME

from leakaudit.cli.main import cli
from leakaudit.cli.runtime import scan_source
from leakaudit.errors import AttachError
from leakaudit.findings import Confidence
from leakaudit.findings.report import Report
from leakaudit.runtime import audit as runtime_audit
from leakaudit.runtime.audit import Options

LEAK = """\
import time

_seen = {}
_settled = {"a": 1}


def handle(request):
    _seen[request] = "x" * 1000


def serve():
    print("ready", flush=True)
    number = 0
    while True:
        number += 1
        handle(number)
        time.sleep(0.01)


if __name__ == "__main__":
    serve()
"""


def runtime(*args: object) -> Result:
    return CliRunner().invoke(cli, ["runtime", *map(str, args)], catch_exceptions=False)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class FakeAudit:
    """Takes the place of the audit; remembers what it was called with."""

    def __init__(self, result: Report | Exception) -> None:
        self.result = result
        self.options = Options()
        self.pid = 0

    def __call__(
        self, pid: int, scan: Callable[[Sequence[Path]], Report], options: Options, progress: object
    ) -> Report:
        self.pid, self.options = pid, options
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeAudit:
    fake = FakeAudit(RUNTIME)
    monkeypatch.setattr(runtime_audit, "audit", fake)
    return fake


def test_options_reach_the_audit(fake: FakeAudit, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    more = ("--method", "pending-call", "--pause-budget", "5", "--session", tmp_path / "s.jsonl")
    result = runtime(4242, "--duration", "2m", "--interval", "500ms", "--source", tmp_path / "a.py", *more)
    assert result.exit_code == 1
    assert fake.pid == 4242
    assert fake.options == Options(
        duration_s=120.0,
        interval_s=0.5,
        source=(tmp_path / "a.py",),
        method="pending-call",
        pause_budget_ms=5.0,
        session=tmp_path / "s.jsonl",
    )


def test_growth_that_is_confirmed_is_exit_1(fake: FakeAudit) -> None:
    result = runtime(4242)
    assert result.exit_code == 1
    assert "confirmed" in result.stdout
    fake.result = RUNTIME.with_findings(RUNTIME.findings[2:])
    assert runtime(4242).exit_code == 0


def test_json_and_output(fake: FakeAudit, tmp_path: Path) -> None:
    assert json.loads(runtime(4242, "--format", "json").stdout)["runtime"]["pid"] == 4242
    result = runtime(4242, "--format", "json", "-o", tmp_path / "r.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["confirmed"] == 1


def test_what_cannot_be_attached_to_is_exit_2(fake: FakeAudit) -> None:
    fake.result = AttachError("it is being traced", "end the debugger")
    result = runtime(4242)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: it is being traced\nhelp: end the debugger\n"


@pytest.mark.parametrize(
    "args",
    [
        ["none"],
        ["0"],
        ["1", "--duration", "soon"],
        ["1", "--source", "/no/such"],
        ["1", "--passive", "--method", "gdb"],
        ["1", "--from", "report.json", "--include-dependencies"],
        ["1", "--interval", "2m"],
        ["1", "--live", "--quiet"],
    ],
)
def test_wrong_usage(fake: FakeAudit, args: list[str]) -> None:
    assert runtime(*args).exit_code == 2
    assert fake.pid == 0


def test_the_scan_takes_every_confidence_and_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LEAK)
    report = scan_source([tmp_path])
    assert report.threshold is Confidence.LOW
    assert "app._seen" in {finding.symbol for finding in report.shown}
    (tmp_path / "pyproject.toml").write_text('[tool.leakaudit]\nselect = ["LA301"]\n')
    assert {finding.rule for finding in scan_source([tmp_path]).shown} <= {"LA301"}
    assert "app._seen" in {finding.symbol for finding in scan_source([tmp_path], no_config=True).shown}


@pytest.fixture
def target(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with one dict that grows and one that does not."""
    (tmp_path / "app.py").write_text(LEAK)
    process = subprocess.Popen([sys.executable, tmp_path / "app.py"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()


@pytest.mark.slow
def test_a_leak_is_confirmed_in_the_live_process(
    target: subprocess.Popen[bytes], missing: Callable[[str], NoReturn], tmp_path: Path
) -> None:
    result = runtime(target.pid, "--duration", "8s", "--format", "json", "--session", tmp_path / "s.jsonl")
    if "may not be attached to" in result.stderr:
        missing("the right to trace processes")
    assert result.exit_code == 1, result.output
    assert target.poll() is None
    (found,) = (item for item in json.loads(result.stdout)["findings"] if item["symbol"].endswith("._seen"))
    assert found["line"] == 3
    assert found["verdict"]["status"] == "confirmed"
    assert found["verdict"]["entries_per_s"] > 10
    assert (tmp_path / "s.jsonl").read_text().startswith('{"record":"session"')
