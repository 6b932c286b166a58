"""The page about CI: its YAML parses, and every leakaudit command in it runs and leaves what the next step takes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = [
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
]
HOOKS, SCAN, NIGHT, GITLAB = BLOCKS
TIMEOUT_S = 120

LEAK = """\
import time

_seen = {}


def handle(request):
    _seen[request] = "x" * 1000


def serve():
    number, end = 0, time.monotonic() + 12
    while time.monotonic() < end:
        number += 1
        handle(number)
        time.sleep(0.01)
"""


def commands(steps: list[object]) -> Iterator[str]:
    """The lines of shell in the steps of a job."""
    for step in steps:
        text = step if isinstance(step, str) else step.get("run", "") if isinstance(step, dict) else ""
        yield from text.splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(LEAK)
    (tmp_path / "load.py").write_text("import sys\nsys.path.insert(0, 'src')\nimport app\napp.serve()\n")
    return tmp_path


def run(line: str, folder: Path) -> int:
    """Run a line as CI would; the exit code has to be a verdict."""
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={
            **os.environ,
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "XDG_CACHE_HOME": str(folder / ".cache"),
            "GITHUB_STEP_SUMMARY": "summary.md",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode in (0, 1), f"{line}\n{done.stdout}"
    assert "error:" not in done.stdout.split("--- ")[0].casefold().replace("::error", "")
    return done.returncode


def own(steps: list[object]) -> list[str]:
    return [line for line in commands(steps) if line.startswith("leakaudit ")]


def test_the_hooks_are_those_that_there_are() -> None:
    there = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert [hook["id"] for hook in HOOKS["repos"][0]["hooks"]] == [hook["id"] for hook in there]
    assert {stage for hook in there for stage in hook.get("stages", ())} >= {"pre-push"}


@pytest.mark.parametrize("workflow", [SCAN, NIGHT], ids=["scan", "night"])
def test_a_workflow_has_the_shape_of_one(workflow: dict) -> None:
    # YAML 1.1 reads `on` as true.
    assert workflow["name"]
    assert workflow[True]
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w/-]+@v\d+", step["uses"])


def test_the_scan_of_a_pull_request(project: Path) -> None:
    steps = SCAN["jobs"]["scan"]["steps"]
    lines = own(steps)
    assert [run(line, project) for line in lines] == [0, 0, 1]
    (upload,) = (step for step in steps if "upload-sarif" in step.get("uses", ""))
    results = json.loads((project / upload["with"]["sarif_file"]).read_text())["runs"][0]["results"]
    assert "LA101" in {result["ruleId"] for result in results}
    assert "LA101" in (project / "summary.md").read_text()
    (cache,) = (step for step in steps if "cache" in step.get("uses", ""))
    assert cache["with"]["path"] == "~/.cache/leakaudit"
    assert (project / ".cache" / "leakaudit").is_dir()


def test_the_job_of_gitlab(project: Path) -> None:
    job = GITLAB["leakaudit"]
    assert [run(line, project) for line in own(job["script"])] == [0, 1]
    reports = job["artifacts"]["reports"]
    assert json.loads((project / reports["codequality"]).read_text())[0]["fingerprint"]
    assert ET.parse(project / reports["junit"]).getroot().iter("failure")
    assert job["cache"]["paths"] == [".cache/leakaudit/"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the live half is Linux only")
def test_the_night(project: Path) -> None:
    steps = NIGHT["jobs"]["watch"]["steps"]
    watch, tell, verify = own(steps)
    assert " --duration 10m " in watch
    assert run(watch.replace(" --duration 10m ", " --duration 5s --after 1s "), project) == 1
    (project / "memory").mkdir()
    shutil.copy(project / "night.session.jsonl", project / "memory" / "before.session.jsonl")
    assert run(tell, project) == 1
    assert "_seen" in (project / "summary.md").read_text()
    assert run(verify, project) == 1  # it grows as before
    (upload,) = (step for step in steps if "upload-artifact" in step.get("uses", ""))
    for name in upload["with"]["path"].split():
        assert (project / name).stat().st_size > 0
