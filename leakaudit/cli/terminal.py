"""What the terminal behind a stream can show: how wide, and in colour or not."""

from __future__ import annotations

import shutil
from typing import TextIO

from leakaudit.cli.color import color_wanted

LEAST, MOST = 40, 120  # columns that read well


def columns(least: int = LEAST, most: int = MOST, unknown: int = 80) -> int:
    """Return the terminal's width, within what reads well; `unknown` where it does not tell."""
    return min(max(shutil.get_terminal_size((unknown, 24)).columns, least), most)


def shows_color(stream: TextIO) -> bool:
    """Tell whether what goes to a stream is to have colours."""
    return stream.isatty() and color_wanted()
