"""The command group: commands are imported when they are called, and failures become messages here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import leakaudit
from leakaudit.cli.boundary import forget_stdout, guarded
from leakaudit.cli.color import no_color_option
from leakaudit.cli.exitcodes import ExitCode

#: Command -> its module (an attribute of the same name is the command) and its line in the help.
COMMANDS = {
    "scan": ("leakaudit.cli.scan", "Find what may grow for ever in Python source."),
    "explain": ("leakaudit.cli.explain", "Print a rule's page, or list all rules."),
    "runtime": ("leakaudit.cli.runtime", "Watch a live process and confirm or clear each finding."),
    "run": ("leakaudit.cli.run", "Start a program and record it, and audit it with --audit."),
    "monitor": ("leakaudit.cli.monitor", "Watch memory, threads and descriptors of processes from outside."),
    "compare": ("leakaudit.cli.compare", "Run one workload under several settings and compare memory."),
    "report": (
        "leakaudit.cli.report",
        "Tell again what sessions hold: as HTML, several together, what changed.",
    ),
    "verify": ("leakaudit.cli.verify", "Check that what grew before no longer grows."),
    "lsp": ("leakaudit.cli.lsp", "Serve an editor: findings, fixes and rules' pages as you type."),
    "doctor": ("leakaudit.cli.doctor", "Say whether a process can be attached to, and if not, why."),
    "demo": ("leakaudit.cli.demo", "Audit a leaking federated server, live, on this machine."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module only to run it, and that ends every failure in a message."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would call it exit 1, which here means findings
            forget_stdout()
            return ExitCode.FAILED

    def main(  # type: ignore[override]  # click overloads it by the value of standalone_mode
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        def run() -> object:
            return super(LazyGroup, self).main(args, prog_name, standalone_mode=False, **extra)

        return sys.exit(guarded(run)) if standalone_mode else run()


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(leakaudit.__version__, prog_name="leakaudit", message="%(prog)s %(version)s")
@no_color_option
def cli() -> None:
    """Find the container that makes a Python service grow.

    Exit codes: 0 nothing found, 1 something found, 2 the job could not be done.
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    cli()
    raise AssertionError("unreachable")
