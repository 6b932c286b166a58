"""The site: it builds without a warning, its links lead somewhere, and it loads nothing from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from leakaudit.cli.main import COMMANDS
from leakaudit.scan.loader import load_rules

ROOT = Path(__file__).resolve().parent.parent
#: Element -> the attribute that names what is loaded with the page.
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The links, the anchors and the text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.anchors: set[str] = set()
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := values.get(name))}
        if tag in LOADED and values.get("rel") != "canonical":
            self.loads |= {value} if (value := values.get(LOADED[tag])) else set()
        if tag == "a" and (value := values.get("href")):
            self.links.add(value)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does, with no network to go to."""
    folder = tmp_path_factory.mktemp("site")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)),
        cwd=ROOT,
        env={**os.environ, **proxies, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


def test_all_links_lead_somewhere(pages: dict[Path, Page]) -> None:
    dead = []
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            address, anchor = urldefrag(unquote(link))
            if ":" in address:
                continue
            target = (path.parent / address).resolve() if address else path
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].anchors):
                dead.append(f"{path.name}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Page]) -> None:
    loaded = {load for page in pages.values() for load in page.loads}
    assert loaded
    assert [load for load in loaded if "//" in load] == []


def test_every_rule_has_its_page_and_stands_in_the_index(site: Path, pages: dict[Path, Page]) -> None:
    index = pages[site / "rules" / "index.html"]
    for rule in load_rules():
        address = f"{rule.code}-{rule.name}.html"
        assert address in index.links
        assert "Use instead" in pages[site / "rules" / address].text


def test_every_command_has_its_help(site: Path, pages: dict[Path, Page]) -> None:
    page = pages[site / "reference" / "command-line.html"]
    for name in COMMANDS:
        assert f"leakaudit-{name}" in page.anchors
        assert f"Usage: leakaudit {name} " in page.text


def test_the_readme_is_the_first_page(site: Path, pages: dict[Path, Page]) -> None:
    index = pages[site / "index.html"]
    assert "Find the container that makes a Python service grow." in index.text
    assert "source/leakaudit/runtime/agent.py.txt" in index.links
    assert (site / "source/leakaudit/runtime/agent.py.txt").read_bytes() == (
        ROOT / "leakaudit/runtime/agent.py"
    ).read_bytes()
