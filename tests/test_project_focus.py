"""Scans of single files: linked with the project around them, and telling only what concerns them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leakaudit.findings import Finding
from leakaudit.scan import extraction
from leakaudit.scan.api import Scan, ScanOptions, examine
from leakaudit.scan.focus import Focus, project_root

REGISTRY = """
entries = {}


def lookup(key):
    return entries[key]
"""
HANDLERS = """
from shop.registry import entries


async def on_open(request):
    entries[request.session_id] = request


async def on_close(request):
    entries.pop(request.session_id, None)
"""
WITHOUT_REMOVAL = HANDLERS.partition("\n\nasync def on_close")[0] + "\n"
OTHER = """
cache = {}


async def handle(request):
    cache[request.session_id] = request
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose registry in one module is filled and emptied in another."""
    root = tmp_path / "work"
    (root / "shop").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.leakaudit]\n")
    write(root / "shop" / "__init__.py", "")
    write(root / "shop" / "registry.py", REGISTRY)
    write(root / "shop" / "handlers.py", HANDLERS)
    monkeypatch.chdir(root)
    return root


def write(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (time.time() - 60,) * 2)


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Scan]:
    """Scan paths with a cache of the test's own."""
    return lambda *paths, **options: examine(
        paths, ScanOptions(cache_dir=str(tmp_path / "cache"), jobs=1, **options)
    )


def symbols(scan: Scan) -> set[str]:
    return {finding.symbol for finding in scan.report.findings if finding.confidence.rank > 0}


def test_a_named_file_is_judged_as_in_a_scan_of_the_whole(shop: Path, look: Callable[..., Scan]) -> None:
    assert (
        symbols(look(".")) == symbols(look("shop/registry.py")) == symbols(look("shop/handlers.py")) == set()
    )
    write(shop / "shop" / "handlers.py", WITHOUT_REMOVAL)
    whole = look(".")
    assert symbols(whole) == {"shop.registry.entries"}
    named = look("shop/registry.py")
    assert named.report.findings == whole.report.findings
    assert (named.report.files, named.files) == (1, ("shop/registry.py",))


def test_a_finding_elsewhere_that_a_named_file_has_a_part_in(shop: Path, look: Callable[..., Scan]) -> None:
    write(shop / "shop" / "handlers.py", WITHOUT_REMOVAL)
    (finding,) = look("shop/handlers.py").report.findings
    assert finding.location.path == "shop/registry.py"
    assert "shop/handlers.py" in {related.location.path for related in finding.related}


def test_a_removal_that_is_gone_tells_of_the_file_that_leaks_now(
    shop: Path, look: Callable[..., Scan]
) -> None:
    write(shop / "shop" / "handlers.py", WITHOUT_REMOVAL)
    write(
        shop / "shop" / "closing.py",
        "from shop.registry import entries\n\n\n" + HANDLERS.partition("\n\n\n")[2].partition("\n\n\n")[2],
    )
    assert symbols(look(".")) == set()
    write(shop / "shop" / "closing.py", "def on_close(request):\n    pass\n")
    for _ in range(2):  # the same commit, tried again
        assert symbols(look("shop/closing.py")) == {"shop.registry.entries"}
    assert symbols(look(".")) == {"shop.registry.entries"}
    assert symbols(look("shop/closing.py")) == set(), "a scan of the whole has told of it"


def test_what_was_there_before_is_nobodys_news(shop: Path, look: Callable[..., Scan]) -> None:
    write(shop / "shop" / "other.py", OTHER)
    assert symbols(look("shop/registry.py")) == set()
    assert symbols(look("shop/other.py")) == {"shop.other.cache"}
    write(shop / "shop" / "registry.py", REGISTRY + "\n\ndef size():\n    return len(entries)\n")
    assert symbols(look("shop/registry.py")) == set()


def test_nothing_is_extracted_twice(
    shop: Path, look: Callable[..., Scan], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(".")
    write(shop / "shop" / "registry.py", REGISTRY + "\nother = {}\n")
    extracted: list[str] = []
    real = extraction.facts_of
    monkeypatch.setattr(extraction, "facts_of", lambda text: extracted.append(text) or real(text))
    look("shop/registry.py")
    assert len(extracted) == 1
    look("shop/registry.py")
    look(".")
    assert len(extracted) == 1


def test_paths_are_told_as_they_were_named(
    shop: Path, look: Callable[..., Scan], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(shop / "shop" / "handlers.py", WITHOUT_REMOVAL)

    def told(path: str) -> tuple[str, str]:
        finding: Finding
        (finding,) = look(path).report.findings
        assert finding.symbol == "shop.registry.entries"
        return finding.location.path, finding.related[-1].location.path

    assert told("shop/registry.py") == ("shop/registry.py", "shop/handlers.py")
    full = str(shop / "shop" / "registry.py")
    assert told(full) == (full, str(shop / "shop" / "handlers.py"))
    monkeypatch.chdir(shop / "shop")
    assert told("registry.py") == ("registry.py", "handlers.py")


def test_errors_of_other_files_stay_untold(shop: Path, look: Callable[..., Scan]) -> None:
    write(shop / "shop" / "broken.py", "def\n")
    assert look("shop/registry.py").report.errors == ()
    assert [error.path for error in look("shop/broken.py").report.errors] == ["shop/broken.py"]


def test_comments_elsewhere_silence_and_are_not_blamed(shop: Path, look: Callable[..., Scan]) -> None:
    write(shop / "shop" / "handlers.py", WITHOUT_REMOVAL)
    silenced = REGISTRY.replace("entries = {}", "entries = {}  # leakaudit: ignore[LA101] few sessions")
    write(shop / "shop" / "registry.py", silenced + "\nother = 1  # leakaudit: ignore[LA102] stale\n")
    comments = look("shop/handlers.py").comments
    assert [comment.codes for comment in comments["shop/registry.py"]] == [("LA101",)]
    assert len(look("shop/registry.py").comments["shop/registry.py"]) == 2


def test_an_excluded_file_that_is_named_is_judged_too(shop: Path, look: Callable[..., Scan]) -> None:
    write(shop / "shop" / "handlers.py", WITHOUT_REMOVAL)
    assert symbols(look("shop/registry.py", exclude=("shop/registry.py",))) == {"shop.registry.entries"}
    assert symbols(look(".", exclude=("shop/registry.py",))) == set()


def test_alone_means_alone(shop: Path, look: Callable[..., Scan]) -> None:
    write(shop / "shop" / "handlers.py", WITHOUT_REMOVAL)
    assert symbols(look("shop/registry.py", alone=True)) == set()
    assert tuple(look("shop/registry.py", alone=True).facts) == ("shop/registry.py",)


def test_facts_are_there_for_whoever_asks(shop: Path, look: Callable[..., Scan]) -> None:
    first, second = look("."), look(".")
    assert dict(second.facts) == dict(first.facts)
    assert second.files == first.files


def test_a_folder_is_no_focus(shop: Path, look: Callable[..., Scan]) -> None:
    assert look("shop").focus is None
    assert look("shop/registry.py").focus == Focus(".", ("shop/registry.py",))


def test_the_root_of_a_project(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "b" / "setup.cfg").write_text("")
    assert project_root(inner) == tmp_path / "a" / "b"
    (tmp_path / "a" / ".git").mkdir()
    assert project_root(inner) == tmp_path / "a"
    (tmp_path / "pyproject.toml").write_text("[tool.leakaudit]\nexclude = []\n")
    assert project_root(inner) == tmp_path
    (tmp_path / "a" / "b" / "pyproject.toml").write_text("[tool.other]\n")
    assert project_root(inner) == tmp_path
    (tmp_path / "a" / "b" / "pyproject.toml").write_text("not toml")
    assert project_root(inner) == tmp_path


def test_the_home_folder_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "notes").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert project_root(tmp_path / "notes") is None
