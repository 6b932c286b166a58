"""`leakaudit verify`: the check that a cure has cured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leakaudit.cli.color import no_color_option
from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.terminal import columns, shows_color

if TYPE_CHECKING:
    from leakaudit.findings.before_after import BeforeAfter


@click.command()
@click.option(
    "--before",
    "before",
    multiple=True,
    required=True,
    type=click.Path(),
    metavar="SESSION",
    help="What `leakaudit runtime` kept before the cure; several are several processes.",
)
@click.option(
    "--after",
    "after",
    multiple=True,
    required=True,
    type=click.Path(),
    metavar="SESSION",
    help="And after it.",
)
@no_color_option
def verify(before: tuple[str, ...], after: tuple[str, ...]) -> ExitCode:
    """Check that what grew before no longer grows, and nothing new does.

    Takes session files or reports in JSON. Exits 0 when that is so, 1 when it is not or cannot be told.
    """
    from leakaudit.findings.before_after import compare
    from leakaudit.runtime.reread import read_audits

    told = [read_audits(list(map(Path, paths))) for paths in (before, after)]
    return tell(compare(*told), None)


def tell(found: BeforeAfter, output: str | None) -> ExitCode:
    """Print a comparison, or write it to a file, and return the exit code that it means."""
    from leakaudit.cli.output import write
    from leakaudit.report.text_before_after import lines

    color = output is None and shows_color(sys.stdout)
    width = columns() if sys.stdout.isatty() else 80
    write("".join(f"{line}\n" for line in lines(found, width, color=color)), output)
    return ExitCode.CLEAN if found.passed else ExitCode.FINDINGS
