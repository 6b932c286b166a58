"""`leakaudit explain`: a rule's page, or the list of rules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from leakaudit.cli.exitcodes import ExitCode
from leakaudit.cli.terminal import shows_color

if TYPE_CHECKING:
    from leakaudit.scan.rule import Rule


@click.command()
@click.argument("rule", required=False)
@click.option(
    "--rules", multiple=True, metavar="DIR", help="Load the rules in DIR too. They are code that runs."
)
def explain(rule: str | None, rules: tuple[str, ...]) -> ExitCode:
    """Print the page of RULE, a code or a name; list the rules of a family such as LA1, or without RULE all."""
    from leakaudit.scan.loader import load_rules
    from leakaudit.scan.selection import select_rules

    known = load_rules(rules)
    wanted = (rule or "").casefold().replace("_", "-")
    for item in known:
        if wanted in {item.code.casefold(), item.name}:
            click.echo(_page(item, color=shows_color(sys.stdout)), nl=False)
            return ExitCode.CLEAN
    chosen = select_rules(known, () if rule is None else (rule,))
    click.echo("".join(_line(item) for item in chosen), nl=False)
    return ExitCode.CLEAN


def _line(rule: Rule) -> str:
    from leakaudit.scan.rulepage import parse_page

    summary = parse_page(rule.__doc__ or "").summary.split("\n\n")[0].replace("\n", " ")
    return f"{rule.code}  {rule.name:<32}  {summary}\n"


def _page(rule: Rule, color: bool) -> str:
    from leakaudit.scan.rulepage import parse_page

    def strong(text: str) -> str:
        return click.style(text, bold=True) if color else text

    page = parse_page(rule.__doc__ or "")
    parts = [strong(f"{rule.code} {rule.name}") + f" ({rule.severity.value})", page.summary]
    parts += [f"{strong(heading)}\n\n{text}" for heading, text in page.sections]
    return "\n\n".join(parts) + "\n"
