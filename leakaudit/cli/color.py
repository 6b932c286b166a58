"""Whether there is colour: not where `--no-color`, NO_COLOR or a dumb terminal says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])
#: What the command line said; kept beyond it, as errors are printed when click has gone.
_refused = False


def no_color_option(command: _Command) -> _Command:
    """Add `--no-color`, which `color_wanted` knows of; the command itself does not get it."""
    return click.option(
        "--no-color", is_flag=True, expose_value=False, callback=_note, help="Write no colours."
    )(command)


def color_wanted() -> bool:
    """Tell whether a terminal is to get colours."""
    return not _refused and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _note(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    global _refused  # noqa: PLW0603
    _refused = value or (ctx.parent is not None and _refused)
