"""Which files are the target's own, and where they lie for us."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from leakaudit.runtime.source import own_source, seen_here, seen_there


@pytest.fixture
def root(tmp_path):
    """A file system of a target in another root."""
    for name in (
        "app/server/__init__.py",
        "app/server/main.py",
        "app/server/store/files.py",
        "app/run.py",
        "usr/lib/python3.11/os.py",
        "usr/lib/python3.11/json/__init__.py",
        "usr/lib/python3/dist-packages/yaml/__init__.py",
        "app/.venv/lib/python3.11/site-packages/httpx/__init__.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


LOADED = {
    "os": "/usr/lib/python3.11/os.py",
    "json": "/usr/lib/python3.11/json/__init__.py",
    "yaml": "/usr/lib/python3/dist-packages/yaml/__init__.py",
    "httpx": "/app/.venv/lib/python3.11/site-packages/httpx/__init__.py",
    "_speedups": "/app/server/_speedups.so",
}


def test_whole_packages_and_single_files(root):
    files = {
        **LOADED,
        "__main__": "/app/run.py",
        "server": "/app/server/__init__.py",
        "server.main": "/app/server/main.py",
    }
    assert own_source(files, "/app", root) == (root / "app/run.py", root / "app/server")


def test_a_package_without_init_and_its_main_are_scanned_once(root):
    files = {**LOADED, "__main__": "/app/server/main.py", "server.store.files": "/app/server/store/files.py"}
    assert own_source(files, "/app", root) == (root / "app/server",)


def test_a_relative_script_lies_in_the_working_directory(root):
    assert own_source({**LOADED, "__main__": "run.py"}, "/app", root) == (root / "app/run.py",)


def test_files_that_are_gone_are_left_out(root):
    assert own_source({**LOADED, "__main__": "/app/gone.py"}, "/app", root) == ()


def test_paths_in_our_own_root_stay_as_they_are():
    assert seen_here(Path("/"), PurePosixPath("/app/run.py")) == Path("/app/run.py")


def test_paths_go_there_and_back(tmp_path):
    here = seen_here(tmp_path, PurePosixPath("/app/run.py"))
    assert here == tmp_path / "app/run.py"
    assert seen_there(tmp_path, str(here)) == "/app/run.py"
    assert seen_there(tmp_path, "/elsewhere/run.py") == "/elsewhere/run.py"
