"""Where reports go, and whether there is colour."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from leakaudit.cli.color import no_color_option
from leakaudit.cli.terminal import columns, shows_color
from leakaudit.errors import UsageError
from leakaudit.report import FORMATS, View, renderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakaudit.findings.report import Report

    _Command = TypeVar("_Command", bound=Callable[..., object])


def format_option(command: _Command) -> _Command:
    """Add `--format` and `--no-color`; only the former reaches the command, as `format_`."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(list(FORMATS)),
        default="text",
        show_default=True,
        help="How to tell it.",
    )(no_color_option(command))


def writable(_ctx: click.Context, _param: click.Parameter, path: str | None) -> str | None:
    """Let a file's name through if it can be written, so that nobody hears of it only when all work is done."""
    if path is not None:
        folder = Path(path).parent
        why = errno.ENOENT if not folder.is_dir() else errno.EACCES
        if why == errno.ENOENT or not os.access(path if Path(path).exists() else folder, os.W_OK):
            raise UsageError(f"cannot write {path} ({os.strerror(why)})", "name another file")
    return path


output_option = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    callback=writable,
    metavar="FILE",
    help="Write the report to FILE, not to stdout.",
)


def emit(
    report: Report, format_: str, output: str | None, *, statistics: bool = False, brief: bool = False
) -> None:
    """Render the report and write it to the file or to stdout; raises UsageError if the file cannot be written."""
    to_terminal = output is None and sys.stdout.isatty()
    if to_terminal and format_ == "html":
        raise UsageError("a terminal cannot show HTML", "name a file: -o report.html")
    view = View(
        width=columns() if to_terminal else 80,
        color=output is None and shows_color(sys.stdout),
        statistics=statistics,
        brief=brief,
    )
    try:
        write(renderer(format_).render(report, view), output)
    except UsageError:
        if report.runtime is not None:  # what was watched for so long cannot be watched again
            _to_stdout(renderer("text").render(report, view))
        raise


def write(text: str, output: str | None) -> None:
    """Write text to the file or to stdout; raises UsageError if the file cannot be written."""
    if output is None:
        _to_stdout(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"cannot write {output} ({error.strerror})", "name another file") from error


def _to_stdout(text: str) -> None:
    """Write text whatever encoding stdout has."""
    stream = sys.stdout
    stream.write(
        text.encode(stream.encoding or "utf-8", "backslashreplace").decode(stream.encoding or "utf-8")
    )
    stream.flush()
