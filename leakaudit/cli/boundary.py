"""The one place where a failure becomes a message on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from leakaudit.cli.color import color_wanted
from leakaudit.cli.exitcodes import ExitCode
from leakaudit.errors import LeakAuditError

if TYPE_CHECKING:
    from collections.abc import Callable

TRACEBACK = "LEAKAUDIT_TRACEBACK"


def guarded(run: Callable[[], object]) -> int:
    """Run a command and return its exit code; whatever it raises is told on stderr."""
    try:
        result = run()
        sys.stdout.flush()
    except Exception as error:
        return _failure(error)
    except KeyboardInterrupt:
        return _interrupted()
    return result if isinstance(result, int) else ExitCode.CLEAN


def _failure(error: Exception) -> int:
    if isinstance(error, click.Abort):
        return _interrupted()
    if isinstance(error, BrokenPipeError):
        forget_stdout()
    elif isinstance(error, click.UsageError):
        error.show()
    elif isinstance(error, click.ClickException):
        _tell(error.format_message())
    elif isinstance(error, LeakAuditError):
        _tell(error.cause, error.remedy)
    elif os.environ.get(TRACEBACK):
        raise error
    else:
        bug = f"this is a bug in leakaudit; please report it, with the traceback that {TRACEBACK}=1 shows"
        _tell(f"{type(error).__name__}: {error}", bug)
    return ExitCode.FAILED


def _interrupted() -> int:
    click.echo("interrupted", err=True)
    return ExitCode.INTERRUPTED


def _tell(cause: str, remedy: str = "") -> None:
    color = None if color_wanted() else False
    click.echo(f"{click.style('error', fg='red', bold=True)}: {cause}", err=True, color=color)
    if remedy:
        click.echo(f"{click.style('help', fg='green', bold=True)}: {remedy}", err=True, color=color)


def forget_stdout() -> None:
    """Let the interpreter flush into nothing at exit: the reader of the pipe has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
