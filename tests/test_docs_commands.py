"""Every command and option that the documentation names exists, and completion of the shell knows them."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import pytest

from leakaudit.cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"))
#: Options of programs that are not ours, as pages name them.
OTHERS = {"--help", "--version", "--cap-add", "--name"}
#: Where programs of ours lie that are no commands, and the pytest plugin.
PROGRAMS = ("bench", "examples", "leakaudit/testing", "leakaudit/agent.py")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def options(command: click.Command) -> set[str]:
    return {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


OPTIONS = {name: options(command(name)) for name in COMMANDS}


@functools.cache
def programs() -> str:
    """The source of the programs of ours that are no commands."""
    files = (
        file
        for name in PROGRAMS
        for file in ((ROOT / name).rglob("*.py") if (ROOT / name).is_dir() else (ROOT / name,))
    )
    return "".join(file.read_text(encoding="utf-8") for file in files)


def code(page: Path) -> list[str]:
    """The lines of code in a page: of blocks, fenced or indented, and between backticks."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    return [line.strip() for part in (*blocks, *indented, *spans) for line in part.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_options_belong_to_their_command(page: Path) -> None:
    unknown = []
    for line in code(page):
        called = re.search(r"(?:^|[\s/])leakaudit ([a-z]+)\b(.*)", line)
        if not called or called[1] not in COMMANDS:
            continue
        # What stands behind ` -- ` is another program's, and behind `#` or `(` a remark.
        rest = re.split(r" -- | {2,}|#|\|\||&&|\(", called[2])[0]
        unknown += [
            (called[1], option) for option in _OPTION.findall(rest) if option not in OPTIONS[called[1]]
        ]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_options_that_stand_alone_are_known(page: Path) -> None:
    spans = re.findall(r"(?<!`)`(--[^`\n]+)`(?!`)", page.read_text(encoding="utf-8"))
    named = {option for span in spans for option in _OPTION.findall(span.split(" -- ")[0])}
    left = named - set.union(*OPTIONS.values()) - OTHERS
    assert {option for option in left if f'"{option}"' not in programs()} == set()


def test_every_command_is_told_of_beside_its_help() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in COMMANDS if f"leakaudit {name}" not in text] == []


@pytest.fixture
def script(missing: Callable[[str], NoReturn]) -> Path:
    """The command as users call it: its name is what completion goes by."""
    found = Path(sys.executable).with_name("leakaudit")
    if not found.exists():
        missing("leakaudit is not installed as a script")
    return found


def asked(script: Path, **environment: str) -> str:
    """What the script says to a shell that asks."""
    done = subprocess.run(
        [script], env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("leakaudit ", set(COMMANDS)),
        ("leakaudit scan --sel", {"--select"}),
        ("leakaudit scan --format s", {"sarif"}),
    ],
)
def test_the_shell_completes(script: Path, words: str, offered: set[str]) -> None:
    line = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    told = asked(script, _LEAKAUDIT_COMPLETE="bash_complete", **line)
    assert offered == {item.partition(",")[2] for item in told.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_lines_for_completion_are_right(script: Path, shell: str) -> None:
    page = (ROOT / "docs" / "terminal.md").read_text(encoding="utf-8")
    (name,) = set(re.findall(rf"(\w+)={shell}_source", page))
    assert f"{shell}_complete" in asked(script, **{name: f"{shell}_source"})
