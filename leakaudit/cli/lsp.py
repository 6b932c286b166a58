"""`leakaudit lsp`: the language server, over standard input and output."""

from __future__ import annotations

import click

from leakaudit.cli.exitcodes import ExitCode
from leakaudit.errors import UsageError


@click.command()
@click.option(
    "--rules", multiple=True, metavar="DIR", help="Load the rules in DIR too. They are code that runs."
)
def lsp(rules: tuple[str, ...]) -> ExitCode:
    """Serve an editor over standard input and output: diagnostics, fixes, and the rules' pages on hover."""
    try:
        from leakaudit.lsp.server import Server
    except ImportError as error:
        raise UsageError(f"the language server needs {error.name}", "pip install 'leakaudit[lsp]'") from error
    Server(rules).start_io()
    return ExitCode.CLEAN
