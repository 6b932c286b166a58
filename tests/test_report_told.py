"""Paths in machine formats: `/` everywhere, relative where they can be, and URIs that parse."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from leakaudit.report import told


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a/b.py", "a/b.py"),
        ("./a/b.py", "a/b.py"),
        ("a/../b.py", "b.py"),
        ("../b.py", "../b.py"),
        ("C:\\src\\app\\a.py", "C:/src/app/a.py"),
        ("\\\\host\\share\\a.py", "//host/share/a.py"),
        ("odd\\name.py", "odd\\name.py"),
    ],
)
def test_posix(path: str, shown: str) -> None:
    assert told.posix(path) == shown


def test_what_lies_below_the_current_folder_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told.posix(str(tmp_path / "a.py")) == "a.py"
    assert told.uri(str(tmp_path / "a b.py")) == ("a%20b.py", True)
    monkeypatch.setattr(told.Path, "cwd", lambda: "C:\\work")
    assert told.posix("C:\\work\\a\\b.py") == "a/b.py"
    assert told.uri("D:\\lib\\b#1.py") == ("file:///D:/lib/b%231.py", False)


@pytest.mark.parametrize("path", ["a:b.py", "/usr/lib/x y.py", "ä/\udcff.py", 'we"ird/<b>.py', "a?b#c.py"])
def test_a_uri_leads_back(path: str) -> None:
    text, relative = told.uri(path)
    parts = urlsplit(text)
    assert not parts.query
    assert not parts.fragment
    assert parts.scheme == ("" if relative else "file")
    assert unquote(parts.path, errors="surrogateescape") == path


def test_names() -> None:
    assert told.words("unbounded-mapping") == "Unbounded mapping"
    assert told.module_of("server/limits.py") == "server.limits"
    assert told.module_of("/srv/app/a.py") == "srv.app.a"
