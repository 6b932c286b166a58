"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv*", "__pycache__", "*.egg-info", "dist", "build", ".*_cache", ".hypothesis"
)


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """What a test calls when the machine lacks something: a skip with the reason, in CI a failure."""

    def end_test(reason: str) -> NoReturn:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI lacks what this test needs: {reason}")
        pytest.skip(reason)

    return end_test


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder that every user can read: pytest's own are closed, and so may be the checkout."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="leakaudit-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's files as a git repository with one commit, so that nothing is built in the checkout."""
    copy = tmp_path_factory.mktemp("project") / "leakaudit"
    _copy_source(copy)
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "Snapshot")):
        subprocess.run((*git, *command), cwd=copy, check=True)
    return copy


def _copy_source(copy: Path) -> None:
    listing = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode:  # an unpacked sdist
        shutil.copytree(ROOT, copy, ignore=NOT_SOURCE)
        return
    for name in filter(None, os.fsdecode(listing.stdout).split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)


@pytest.fixture(scope="session")
def build() -> Callable[..., None]:
    """Run `python -m build` in a folder, with the hatchling of this environment; its output is what a failure shows."""

    def run(folder: Path, *options: str) -> None:
        done = subprocess.run(
            (sys.executable, "-m", "build", "--no-isolation", *options),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout

    return run


@pytest.fixture(scope="session")
def wheel_from_sdist(project_copy: Path, build: Callable[..., None]) -> Path:
    """The project's wheel, built from the project's sdist and not from the checkout."""
    build(project_copy)
    (wheel,) = project_copy.glob("dist/*.whl")
    return wheel
