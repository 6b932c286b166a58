"""The federated example jobs learn, and hold what their cleaning up lets them hold."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from leakaudit.cli.main import cli

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "federated"


@pytest.fixture(autouse=True, scope="module")
def needs_numpy(missing: Callable[[str], NoReturn]) -> None:
    for name in ("numpy", "websockets"):
        if importlib.util.find_spec(name) is None:
            missing(name)
    return


@pytest.mark.parametrize("name", ["fedavg", "scaffold", "cyclic", "swarm"])
def test_a_job_learns_and_its_rounds_are_garbage_until_they_are_collected(name: str) -> None:
    command = (sys.executable, str(EXAMPLES / f"{name}.py"), "--gc-rounds", "{gc_rounds}", "--rounds", "12")
    result = CliRunner().invoke(
        cli, ["compare", "--vary", "gc_rounds=0,1", "--timeout", "60", "--format", "json", "--", *command]
    )
    assert result.exit_code == 0, result.output
    never, always = (setting["runs"][0]["peak"] for setting in json.loads(result.output)["settings"])
    assert never - always > 30e6  # of 12 rounds that leave 5 MB each


def test_the_model_gets_better() -> None:
    command = (sys.executable, str(EXAMPLES / "fedavg.py"), "--rounds", "12", "--gc-rounds", "5")
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    before, first, last = (float(figure) for figure in re.findall(r"0\.\d+", said))
    assert before < 0.1 < first < last - 0.03


def test_a_job_that_learns_nothing_fails() -> None:
    command = (sys.executable, str(EXAMPLES / "fedavg.py"), "--rounds", "1")
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 1


def test_the_matrix_knows_its_jobs() -> None:
    command = (sys.executable, str(EXAMPLES / "matrix.py"), "nonsense")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "there is no job nonsense" in done.stderr
