"""The page about the memory-debugging guide: every step has its row, every command exists, every output is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from leakaudit.cli.main import cli

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "from-the-guide.md").read_text(encoding="utf-8")
#: What the guide numbers, and the commands that it gives, in its order.
GUIDE = (
    "./monitor_memory.sh",
    "patterns",
    "ps aux",
    "torch.cuda.memory_allocated",
    "3.1, closures",
    "3.2, WebSocket buffers",
    "lsof",
    "3.3, log buffers",
    "du -sh logs",
    "logger.add",
    "3.4, metrics cache",
    "3.5, samples",
    "gc.collect()",
    "3.6, handlers",
    "4 A",
    "debug_memory.py",
    "4 B",
    "tracemalloc",
    "4 C",
    "memory_profiler",
    "Step 5, WebSocket",
    "drain()",
    "Step 5, handlers",
    "malloc_trim",
    "Step 6, confirm",
    "Step 6, growth stops",
    "plateau",
    "delta stays near 0",
    "Quick command 1",
    "Quick command 2",
    "len(gc.get_objects())",
    "Quick command 3",
    "agg_",
    "Quick command 4",
    "Expected memory",
    "Next steps",
)


def rows() -> list[str]:
    table = PAGE.partition("| the guide |")[2].partition("\n\n")[0]
    return [line for line in table.splitlines() if line.startswith("| ")]


def shown() -> list[tuple[str, list[str]]]:
    """Return each command that is shown, with the lines below it."""
    blocks = re.findall(r"^    \$ (.+)\n((?:    .*\n|    \n)*)", PAGE, re.MULTILINE)
    return [(command, output.splitlines()) for command, output in blocks]


@pytest.mark.parametrize("words", GUIDE)
def test_every_step_and_command_of_the_guide_has_a_row(words: str) -> None:
    assert [row for row in rows() if words in row]


@pytest.mark.parametrize("command", sorted({command for command, _ in shown()}))
def test_the_commands_exist_with_their_options(command: str) -> None:
    tool, name, *arguments = shlex.split(command)
    assert tool == "leakaudit"
    # Parses without acting on it; an option or a command that is not there is an error even so.
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    found.make_context(name, arguments, resilient_parsing=True)


def test_every_command_of_the_table_is_shown_with_what_it_printed() -> None:
    numbers = [match[1] for row in rows() if (match := re.search(r"\(\[(\d+)\]\(#[\w-]+\)\) \|$", row))]
    assert len(numbers) > 25
    headings = re.findall(r"^### (\d+)\. ", PAGE, re.MULTILINE)
    assert len(headings) == len(shown())
    assert headings == numbers
    assert all(any(line.strip() not in ("", "[...]") for line in output) for _, output in shown())


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE)
    assert [link for link in links if not (DOCS / link).exists()] == []
