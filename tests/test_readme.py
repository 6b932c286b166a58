"""The README and the other pages name only what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leakaudit.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code(name: str) -> list[str]:
    """The page's code, in blocks and in lines, each ending in a newline."""
    text = page(name)
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return blocks + [f"{snippet}\n" for snippet in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page(name))
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_commands_exist(name: str) -> None:
    named = set(re.findall(r"^leakaudit ([a-z]+)", "".join(code(name)), re.MULTILINE))
    assert named <= COMMANDS.keys()
    assert named or name == "CONTRIBUTING.md"


@pytest.mark.parametrize("name", PAGES)
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", "".join(code(name)), re.MULTILINE)) <= targets


def test_try_it_takes_two_commands() -> None:
    section = page("README.md").split("## Try it", 1)[1].split("\n## ", 1)[0]
    (block,) = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    assert block.splitlines() == ["make demo", "make test"]
