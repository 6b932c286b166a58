"""A hook of mkdocs that adds to the site what is no file in docs/: the README, the rules' pages, every command's help."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leakaudit.cli.main import COMMANDS, cli
from leakaudit.scan.loader import load_rules
from leakaudit.scan.rulepage import parse_page

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from leakaudit.scan.rule import Rule

ROOT = Path(__file__).resolve().parent.parent
#: What lies outside docs/ -> its page.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
RULES = "rules/index.md"
COMMAND_LINE = "reference/command-line.md"
#: First digit of a rule's code -> what its rules are about.
FAMILIES = {
    "1": "Containers",
    "2": "Closures and bound methods",
    "3": "Registries",
    "4": "Function caches",
    "5": "Tasks, queues and resources",
    "6": "Dynamic code",
    "7": "Machine learning",
}
WIDTH = 78  # columns that the page has room for
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the navigation with the rules, and with pages that nobody has placed."""
    rules = [RULES, *({family: [*map(address, group)]} for family, group in families(load_rules()))]
    nav = [{"Rules": rules} if entry == {"Rules": []} else entry for entry in config.nav or ()]
    placed = set(_leaves(nav))
    docs = Path(config.docs_dir)
    found = sorted(path.relative_to(docs).as_posix() for path in docs.rglob("*.md"))
    more = [name for name in found if name not in placed]
    config.nav = [*nav, {"More": more}] if more else nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and the source files that pages link to."""
    from mkdocs.structure.files import File

    for name, content in generated():
        files.append(File.generated(config, name, content=content))
    linked = {name for path in _written() for name in _sources(path)}
    for name in sorted(linked):
        files.append(File.generated(config, f"source/{name}.txt", abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links out of docs/ to where the site has their ends."""
    if page.file.generated_by:
        return markdown
    return relink(markdown, posixpath.join("docs", page.file.src_uri), page.file.src_uri)


def generated() -> Iterator[tuple[str, str]]:
    """Yield the address and the Markdown of each page that has no file in docs/."""
    rules = load_rules()
    for name, at in PAGES.items():
        yield at, relink((ROOT / name).read_text(encoding="utf-8"), name, at)
    yield RULES, index(rules)
    yield from ((address(rule), rule_page(rule)) for rule in rules)
    yield COMMAND_LINE, command_line()


def index(rules: Iterable[Rule]) -> str:
    """Return the list of all rules, by family."""
    parts = [
        "# Rules",
        "What each looks for, why it leaks, and what to write instead. `leakaudit explain RULE` prints the same pages.",
    ]
    for family, group in families(rules):
        rows = (
            f"| [{rule.code}]({posixpath.basename(address(rule))}) | `{rule.name}` | {_summary(rule)} |"
            for rule in group
        )
        parts += [f"## {family}", "\n".join(("| rule | name | finds |", "|---|---|---|", *rows))]
    return "\n\n".join(parts) + "\n"


def rule_page(rule: Rule) -> str:
    """Return a rule's page, which is its docstring."""
    page = parse_page(rule.__doc__ or "")
    facts = f"Severity: {rule.severity.value}. Silence one: `# leakaudit: ignore[{rule.code}] reason`."
    parts = [f"# {rule.code} {rule.name}", page.summary, facts]
    parts += [f"## {heading}\n\n{text}" for heading, text in page.sections]
    return "\n\n".join(parts) + "\n"


def command_line() -> str:
    """Return the page that holds what `--help` says of every command."""
    parts = ["# The command line", "What `leakaudit --help` and `leakaudit COMMAND --help` print."]
    parts.append(_help("leakaudit", cli))
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        parts += [f"## leakaudit {name}", _help(f"leakaudit {name}", command)]
    return "\n\n".join(parts) + "\n"


def families(rules: Iterable[Rule]) -> tuple[tuple[str, tuple[Rule, ...]], ...]:
    """Return the rules under the name of their family, in the order of their codes."""
    known = sorted(rules, key=lambda rule: rule.code)
    return tuple(
        (family, tuple(rule for rule in known if rule.code[2] == digit))
        for digit, family in FAMILIES.items()
        if any(rule.code[2] == digit for rule in known)
    )


def address(rule: Rule) -> str:
    """Return where a rule's page lies in the site."""
    return f"rules/{rule.code}-{rule.name}.md"


def relink(text: str, source: str, at: str) -> str:
    """Return the text with links from `source`, a path in the project, as the page `at` needs them."""

    def moved(match: re.Match[str]) -> str:
        name = _inside(source, match[1])
        if not (ROOT / name).exists():
            return match[0]  # code that looks like a link, or a mistake that mkdocs tells
        return f"]({posixpath.relpath(_in_site(name), posixpath.dirname(at) or '.')}{match[2] or ''})"

    return _LINK.sub(moved, text)


def _sources(path: Path) -> Iterator[str]:
    """Yield the files that a page links to and that are neither in docs/ nor pages."""
    source = path.relative_to(ROOT).as_posix()
    for link, _ in _LINK.findall(path.read_text(encoding="utf-8")):
        name = _inside(source, link)
        if (ROOT / name).is_file() and _in_site(name).startswith("source/"):
            yield name


def _written() -> Iterator[Path]:
    yield from (ROOT / name for name in PAGES)
    yield from sorted((ROOT / "docs").rglob("*.md"))


def _inside(source: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _in_site(name: str) -> str:
    if name == "rules":
        return RULES
    return PAGES.get(name) or (
        name.removeprefix("docs/") if name.startswith("docs/") else f"source/{name}.txt"
    )


def _help(called: str, command: click.Command) -> str:
    context = click.Context(
        command,
        info_name=called,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return f"```text\n{command.get_help(context)}\n```"


def _summary(rule: Rule) -> str:
    return parse_page(rule.__doc__ or "").summary.split("\n\n")[0].replace("\n", " ")


def _leaves(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for below in nav.values():
            yield from _leaves(below)
    elif isinstance(nav, list):
        for below in nav:
            yield from _leaves(below)
