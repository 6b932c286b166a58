"""`leakaudit doctor`: can a process be attached to, and if not, why."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.params import PID
from leakaudit.errors import AttachError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakaudit.runtime.attach.target import Target


@click.command()
@click.argument("pid", type=PID)
def doctor(pid: int) -> ExitCode:
    """Say what PID is, which ways into it are open, and which one `leakaudit runtime` would take."""
    from leakaudit.report.style import printable
    from leakaudit.runtime.attach.ladder import rungs
    from leakaudit.runtime.attach.preflight import inspect
    from leakaudit.runtime.audit import Options, way_to
    from leakaudit.runtime.passive.watch import METHOD, why_not

    try:
        target = inspect(pid)
    except AttachError as error:
        return _refused(pid, error)
    for line in _facts(target):
        click.echo(printable(line))
    click.echo("ways in, best first:")
    for rung in rungs(target):
        click.echo(_rung(rung.name, "" if rung.available else rung.reason))
    click.echo(_rung(METHOD, why_not(target)))
    way, _ = way_to(pid, Options())
    click.echo(f"leakaudit runtime {pid} would use {METHOD if way is None else way[1].name}")
    return ExitCode.CLEAN


def _refused(pid: int, error: AttachError) -> ExitCode:
    """Say what is left where a process cannot be gone into from outside."""
    from leakaudit.report.style import printable
    from leakaudit.runtime.attach.cooperative import describe
    from leakaudit.runtime.attach.preflight import look
    from leakaudit.runtime.passive.watch import METHOD, worth_looking

    cooperating = describe(pid)
    if cooperating is None and not worth_looking(pid):
        raise error
    for line in _facts(cooperating or look(pid)):
        click.echo(printable(line))
    click.echo(printable(f"from outside it is closed: {error.cause}"))
    if cooperating is not None:
        click.echo(f"it has a door of its own: leakaudit runtime {pid} would use cooperative")
    else:
        click.echo(_rung(METHOD, ""))
        click.echo(f"leakaudit runtime {pid} would use {METHOD}")
    return ExitCode.CLEAN


def _rung(name: str, why_not: str) -> str:
    return f"  closed  {name}: {why_not}" if why_not else f"  open    {name}"


def _facts(target: Target) -> Iterator[str]:
    version = ".".join(map(str, target.version)) if target.version else "of unknown version"
    threads = f"{target.threads} thread{'s' * (target.threads != 1)}"
    yield f"process {target.pid}: CPython {version}{', free-threaded' * target.free_threaded}, {threads}, user id {target.uid}"
    yield f"  command  {shlex.join(target.argv)}"
    yield f"  folder   {target.cwd}"
    if target.runtime.path:
        yield f"  runtime  {target.runtime.path}"
    if target.namespace_pid != target.pid:
        yield f"  inside   a pid namespace, where it is {target.namespace_pid}"
