"""Renderers over the one Report: one file each, listed in FORMATS, imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from leakaudit.report.lines import read_line

if TYPE_CHECKING:
    from leakaudit.findings.report import Report


@dataclass(frozen=True, slots=True)
class View:
    """How a report is looked at; a renderer uses what concerns it.

    `source_line` returns a line of a file, or None where it cannot be read; `statistics` asks for counts per rule,
    `brief` for findings alone.
    """

    width: int = 80
    color: bool = False
    statistics: bool = False
    brief: bool = False
    source_line: Callable[[str, int], str | None] = read_line


class Renderer(Protocol):
    """Turns a report into text; a module with this function is one."""

    def render(self, report: Report, view: View) -> str:
        """Return the whole output, ending in a newline (or empty)."""


#: Name on the command line -> module with `render`.
FORMATS = {
    "text": "leakaudit.report.text",
    "json": "leakaudit.report.json_v1",
    "html": "leakaudit.report.html",
    "markdown": "leakaudit.report.markdown",
    "sarif": "leakaudit.report.sarif",
    "github": "leakaudit.report.github",
    "gitlab": "leakaudit.report.gitlab",
    "junit": "leakaudit.report.junit",
}


def renderer(name: str) -> Renderer:
    """Return the renderer of a name in FORMATS."""
    module: Renderer = importlib.import_module(FORMATS[name])
    return module
