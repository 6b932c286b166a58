"""`--dask`: the workers of a scheduler extract, and the report is the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

from leakaudit.cli.main import cli
from leakaudit.errors import UsageError
from leakaudit.scan.dask import dask_executor
from leakaudit.scan.pipeline import Workers, collect, survey

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def scheduler(missing: Callable[[str], NoReturn]) -> Iterator[str]:
    """The address of a scheduler with two worker processes, all on this machine."""
    try:
        from distributed import LocalCluster
    except ImportError:
        missing("distributed is not installed")
    cluster: Any = LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50
    )
    with cluster:
        yield cluster.scheduler_address


def test_workers_give_the_same_facts(scheduler: str) -> None:
    records = survey(sorted(map(str, FIXTURES.rglob("*.py"))))
    with dask_executor(scheduler) as executor:
        there = collect(records, workers=Workers(executor=executor))
    here = collect(records)
    assert len(here.facts) > 20
    assert there.facts == here.facts
    assert there.records == here.records


def test_the_command_line(scheduler: str, tmp_path: Path) -> None:
    found = []
    for more in ((), ("--dask", scheduler)):
        target = tmp_path / f"report{len(more)}.json"
        done = CliRunner().invoke(
            cli, ["scan", "--no-cache", "--format", "json", "-o", str(target), *more, str(FIXTURES)]
        )
        assert done.exit_code == 1, done.output
        found.append(target.read_text().partition('"summary"')[0])
    assert found[0] == found[1]


def test_nobody_there() -> None:
    with (
        pytest.raises(UsageError, match=r"no Dask scheduler answers at 127\.0\.0\.1:9"),
        dask_executor("127.0.0.1:9"),
    ):
        pass


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"leakaudit\[dask\]"), dask_executor("127.0.0.1:8786"):
        pass


def test_not_asked_for() -> None:
    with dask_executor("") as executor:
        assert executor is None
