"""The pre-commit hooks, installed by pre-commit itself and run by real commits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

#: The first commit installs leakaudit with its dependencies from the package index.
INSTALL_TIMEOUT_S = 300

LEAK = """
from aiohttp import web

_sessions = {}


async def handle(request: web.Request) -> web.Response:
    _sessions[request.query["session"]] = request
    return web.Response()


app = web.Application()
app.router.add_get("/", handle)
"""

CLEAN = """
def double(number: int) -> int:
    return 2 * number
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A pre-commit store of our own, and a git that no configuration of the user's reaches."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit")),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        **{f"GIT_{role}_{key}": "test" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
    }


@pytest.fixture
def repository(tmp_path: Path, project_copy: Path, environment: dict[str, str]) -> Callable[..., str]:
    """A user's repository with the hook installed; the callable runs a command in it and returns its output."""

    def run(*command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=INSTALL_TIMEOUT_S,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    run("git", "init", "-q")
    revision = run("git", "-C", str(project_copy), "rev-parse", "HEAD").strip()
    (tmp_path / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {project_copy}\n  rev: {revision}\n  hooks:\n  - id: leakaudit\n"
    )
    run(sys.executable, "-m", "pre_commit", "install")
    return run


def test_a_commit_without_python_files_passes_quietly(repository: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see\n")
    repository("git", "add", "-A")
    output = repository("git", "commit", "-m", "Add notes")
    assert "leakaudit" in output
    assert "Skipped" in output


def test_a_clean_commit_passes(repository: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CLEAN)
    repository("git", "add", "-A")
    assert "Passed" in repository("git", "commit", "-m", "Add the application")


def test_a_leak_fails_the_commit(repository: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(LEAK)
    repository("git", "add", "-A")
    output = repository("git", "commit", "-m", "Remember the sessions", code=1)
    assert "Failed" in output
    assert "app.py:4" in output
    assert "LA101" in output
    assert "_sessions" in output
    assert "Traceback" not in output
    repository("git", "rev-parse", "--verify", "-q", "HEAD", code=1)


def test_try_repo_runs_the_project_hook(
    repository: Callable[..., str], project_copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(LEAK)
    repository("git", "add", "-A")
    command = (sys.executable, "-m", "pre_commit", "try-repo", str(project_copy), "leakaudit-project")
    output = repository(*command, "--hook-stage", "manual", "--all-files", code=1)
    assert "app.py:4" in output
    assert "LA101" in output
