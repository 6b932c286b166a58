"""Read a rule's page, which is its class docstring: a summary, then sections under fixed headings."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

HEADINGS = (
    "What it does",
    "Why it leaks",
    "Example",
    "Use instead",
    "What we do not flag",
    "References",
)
_BY_KEY = {heading.casefold(): heading for heading in HEADINGS}
_UNDERLINE = re.compile(r"[-=~]{3,}")
_FENCE = re.compile(r"(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class RulePage:
    """A rule's page: one summary line and the text under each heading, in the order written."""

    summary: str
    sections: tuple[tuple[str, str], ...]

    def section(self, heading: str) -> str:
        """Return the text under a heading, or "" where the page lacks it."""
        return dict(self.sections).get(heading, "")

    @property
    def missing(self) -> tuple[str, ...]:
        """The headings that the page lacks, or that have nothing under them."""
        return tuple(heading for heading in HEADINGS if not self.section(heading).strip())


def parse_page(docstring: str) -> RulePage:
    """Split a docstring at its headings. A heading stands alone on a line, with `#`, `:` or an underline if liked."""
    summary: list[str] = []
    sections: list[tuple[str, list[str]]] = []
    fence = ""
    for line in inspect.cleandoc(docstring).split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or line.startswith(fence)):
            fence = "" if fence else mark[1]
        heading = None if fence else _BY_KEY.get(line.strip("# ").rstrip(" :").casefold())
        if heading and not line.startswith(" "):
            sections.append((heading, []))
        elif sections and not sections[-1][1] and _UNDERLINE.fullmatch(line):
            continue
        else:
            (sections[-1][1] if sections else summary).append(line)
    texts = tuple((heading, "\n".join(lines).strip("\n")) for heading, lines in sections)
    return RulePage("\n".join(summary).strip(), texts)


def code_blocks(text: str) -> tuple[str, ...]:
    """Return the code in a section: fenced blocks, and blocks indented by four after a blank line or at the start."""
    blocks: list[list[str]] = []
    fence, in_block, after_blank = "", False, True
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence:
            if line.startswith(fence):
                fence = ""
            else:
                blocks[-1].append(line)
        elif mark:
            fence, in_block = mark[1], False
            blocks.append([])
        elif line.startswith("    ") and (in_block or after_blank):
            if not in_block:
                blocks.append([])
            blocks[-1].append(line[4:])
            in_block = True
        elif in_block and not line.strip():
            blocks[-1].append("")
        else:
            in_block = False
        after_blank = not line.strip()
    return tuple(code for block in blocks if (code := "\n".join(block).strip("\n") + "\n").strip())
