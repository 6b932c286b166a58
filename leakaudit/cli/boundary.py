"""The one place where a failure becomes a message on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, TextIO

import click

from leakaudit.cli.color import color_wanted
from leakaudit.cli.exitcodes import ExitCode
from leakaudit.errors import LeakAuditError

if TYPE_CHECKING:
    from collections.abc import Callable

TRACEBACK = "LEAKAUDIT_TRACEBACK"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def guarded(run: Callable[[], object]) -> int:
    """Run a command and return its exit code; whatever it raises is told on stderr."""
    _open_streams()
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
        to_stderr(error.show)
    elif isinstance(error, click.ClickException):
        _tell(error.format_message())
    elif isinstance(error, LeakAuditError):
        _tell(error.cause, error.remedy)
    elif isinstance(error, OSError) and _is_full_or_closed(error):
        forget_stdout()
        _tell(f"cannot write to stdout ({error.strerror})", "make room, or let it go elsewhere")
    elif os.environ.get(TRACEBACK):
        raise error
    else:
        bug = f"this is a bug in leakaudit; please report it, with the traceback that {TRACEBACK}=1 shows"
        _tell(f"{type(error).__name__}: {error}", bug)
    return ExitCode.FAILED


def _interrupted() -> int:
    to_stderr(lambda: click.echo("interrupted", err=True))
    return ExitCode.INTERRUPTED


def _tell(cause: str, remedy: str = "") -> None:
    lines = [f"{click.style('error', fg='red', bold=True)}: {cause}"]
    if remedy:
        lines.append(f"{click.style('help', fg='green', bold=True)}: {remedy}")
    to_stderr(lambda: click.echo("\n".join(lines), err=True, color=None if color_wanted() else False))


def to_stderr(write: Callable[[], object]) -> None:
    """Write to stderr; where that is full, the exit code has to say it all."""
    try:
        write()
        sys.stderr.flush()
    except OSError:
        _forget(sys.stderr)


def _open_streams() -> None:
    """Open what the caller has closed: no file may get the number of a stream.

    Writing to what is open for reading only fails, as it would have failed without us; errors go nowhere.
    """
    _hold(0, os.O_RDONLY)
    _hold(1, os.O_RDONLY)
    _hold(2, os.O_WRONLY)
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


def _hold(number: int, mode: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        os.dup2(os.open(os.devnull, mode), number)


def _is_full_or_closed(error: OSError) -> bool:
    """Tell whether it was stdout that failed; whoever writes files says so by himself."""
    if error.errno != errno.EBADF:
        return error.errno in _NO_ROOM and error.filename is None
    try:
        os.write(1, b"")
    except OSError:
        return True
    return False


def forget_stdout() -> None:
    """Let the interpreter flush into nothing at exit: the reader of the pipe has gone, or the disk is full."""
    _forget(sys.stdout)


def _forget(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
