"""Discovery, reading and classification of source files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from leakaudit.errors import SourceError
from leakaudit.source import decode, discover, is_fixture_path, is_generated, is_test_path, read_source

if TYPE_CHECKING:
    from pathlib import Path


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_walk_finds_python_files_in_sorted_order(here: Path) -> None:
    tree(here, "b.py", "a/z.py", "a/b/c.pyw", "a/readme.md", "c.pyi", "a/n.ipynb")
    assert discover(["."]).files == ("a/b/c.pyw", "a/z.py", "b.py")


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/x.py",
        ".venv/x.py",
        "venv/x.py",
        "node_modules/gyp/x.py",
        "a/__pycache__/x.py",
        "lib/site-packages/x.py",
        ".tox/py/x.py",
        "build/lib/x.py",
        "dist/x.py",
        "pkg.egg-info/x.py",
    ],
)
def test_walk_leaves_out_what_is_not_the_project(here: Path, path: str) -> None:
    tree(here, "a.py", path)
    assert discover(["."]).files == ("a.py",)


def test_a_package_named_build_is_walked(here: Path) -> None:
    tree(here, "src/build/__init__.py", "src/build/env.py")
    assert discover(["src"]).files == ("src/build/__init__.py", "src/build/env.py")


@pytest.mark.parametrize("marker", ["pyvenv.cfg", "conda-meta/history"])
def test_an_environment_is_known_by_its_marker_whatever_its_name(here: Path, marker: str) -> None:
    tree(here, "a.py", "py311/lib/x.py", f"py311/{marker}")
    assert discover(["."]).files == ("a.py",)
    assert discover(["py311"]).files == ("py311/lib/x.py",)


def test_paths_come_back_as_given(here: Path) -> None:
    tree(here, "a/b.py")
    assert discover(["a"]).files == ("a/b.py",)
    assert discover(["./a/"]).files == ("a/b.py",)
    assert discover([here / "a"]).files == (f"{here}/a/b.py",)
    os.chdir(here / "a")
    assert discover(["../a"]).files == ("../a/b.py",)


def test_overlapping_paths_count_once(here: Path) -> None:
    tree(here, "a/b.py")
    assert discover(["a/b.py", "a", str(here)]).files == ("a/b.py",)


def test_links_make_no_loops_and_no_doubles(here: Path) -> None:
    tree(here, "a/b.py", "outside/c.py")
    (here / "a/loop").symlink_to(here / "a")
    (here / "a/twin.py").symlink_to(here / "a/b.py")
    (here / "a/c.py").symlink_to(here / "outside/c.py")
    assert discover(["a"]).files == ("a/b.py", "a/c.py")
    (here / "link").symlink_to(here / "outside")
    assert discover(["link"]).files == ("link/c.py",)


def test_a_link_to_nowhere_is_an_error_but_an_editor_lock_is_not(here: Path) -> None:
    tree(here, "a/b.py")
    (here / "a/gone.py").symlink_to(here / "nowhere.py")
    (here / "a/.#b.py").symlink_to("user@host.1234")
    found = discover(["a"])
    assert found.files == ("a/b.py",)
    assert [(e.path, e.reason) for e in found.errors] == [("a/gone.py", "link to nowhere")]


def test_what_might_never_end_is_not_read(here: Path) -> None:
    tree(here, "a/b.py")
    os.mkfifo(here / "a/pipe.py")
    (here / "a/same.py").symlink_to(here / "a/pipe.py")
    found = discover(["a", "/dev/null"])
    assert found.files == ("a/b.py",)
    assert {(e.path, e.reason) for e in found.errors} == {
        (path, "not a regular file") for path in ("a/pipe.py", "a/same.py", "/dev/null")
    }


def test_a_missing_path_is_an_error(here: Path) -> None:
    found = discover(["nosuch"])
    assert [(e.path, e.reason) for e in found.errors] == [("nosuch", "no such file or folder")]
    assert not found.nothing_asked


def test_an_unreadable_folder_is_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(here, "a/b.py", "a/shut/c.py")
    real = os.scandir

    def scandir(path: str) -> object:
        if "shut" in path:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = discover(["a"])
    assert found.files == ("a/b.py",)
    assert [(e.path, e.reason) for e in found.errors] == [("a/shut", "Permission denied")]


def test_exclude_is_gitignore_style(here: Path) -> None:
    tree(here, "a/b.py", "a/gen/c.py", "a/b_test.py", "docs/conf.py", "a/docs/x.py")
    assert discover(["."], ["gen/", "*_test.py", "/docs"]).files == ("a/b.py", "a/docs/x.py")
    assert discover(["."], ["*.py", "!docs/"]).files == ()


def test_exclude_is_relative_to_the_base(here: Path) -> None:
    tree(here, "p/docs/x.py", "p/a/docs/y.py")
    assert discover(["p"], ["/docs"], base="p").files == ("p/a/docs/y.py",)
    assert discover([str(here / "p")], ["/docs"], base="p").files == (f"{here}/p/a/docs/y.py",)


def test_a_named_file_counts_unless_exclusion_is_forced(here: Path) -> None:
    tree(here, "gen/a.py")
    assert discover(["gen/a.py"], ["gen/"]).files == ("gen/a.py",)
    forced = discover(["gen/a.py"], ["gen/"], force_exclude=True)
    assert (forced.files, forced.ignored, forced.nothing_asked) == ((), ("gen/a.py",), True)
    assert not discover(["gen"], ["gen/"], force_exclude=True).nothing_asked


def test_a_named_script_is_python_by_its_first_line(here: Path) -> None:
    (here / "tool").write_text("#!/usr/bin/env python3\n")
    (here / "shell").write_text("#!/bin/sh\n")
    tree(here, "notes.md")
    found = discover(["tool", "shell", "notes.md"])
    assert (found.files, found.ignored) == (("tool",), ("shell", "notes.md"))


def test_read_keeps_bytes_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"\xef\xbb\xbfx = '\xc3\xa9'\r\ny = 2\r")
    source = read_source(str(path))
    assert source.text == "x = 'é'\r\ny = 2\r"
    assert source.data == path.read_bytes()


def test_decode_follows_the_coding_line() -> None:
    assert decode("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1")).endswith("'é'\n")
    assert decode(b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n").endswith("'€'\n")
    assert decode("# encoding is not a coding line\nx = 'é'\n".encode()).endswith("'é'\n")
    assert decode(b"") == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x = 1\ny = '\xe9'\n", "not valid utf-8 (byte 0xe9 in line 2)"),
        (b"x = \0\n", "NUL bytes"),
        (b"# coding: klingon\n", "coding line not understood"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "coding line not understood"),
    ],
)
def test_what_cannot_be_decoded_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=r".") as caught:
        decode(data)
    assert reason in str(caught.value)


def test_read_refuses_huge_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "data.py"
    path.write_bytes(b"#" * 101)
    assert read_source(str(path), max_bytes=101).text == "#" * 101
    with pytest.raises(SourceError, match="larger than"):
        read_source(str(path), max_bytes=100)
    with pytest.raises(SourceError, match="No such file"):
        read_source(str(tmp_path / "gone.py"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pkg/tests/x.py", True),
        ("test_x.py", True),
        ("a/x_test.py", True),
        ("conftest.py", True),
        ("pkg/contest.py", False),
        ("pkg/testimony.py", False),
        ("latest/x.py", False),
    ],
)
def test_is_test_path(path: str, expected: bool) -> None:
    assert is_test_path(path) is expected


def test_is_fixture_path() -> None:
    assert is_fixture_path("tests/fixtures/a/bad.py")
    assert not is_fixture_path("pkg/fixtures.py")


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a_pb2.py", "", True),
        ("a.py", "# Generated by Django 4.2\n\nx = 1\n", True),
        ("a.py", '"""Tables.\n\nThis file is auto-generated from grammar.y.\n"""\n', True),
        ("a.py", "# @generated\n", True),
        ("a.py", "#!/usr/bin/env python\n# DO NOT EDIT\n", True),
        ("a.py", "x = 1\n# Generated by hand\n", False),
        ("a.py", '"""Keep tokens generated earlier."""\n', False),
    ],
)
def test_is_generated(path: str, text: str, expected: bool) -> None:
    assert is_generated(path, text) is expected
