"""Text made inert for Markdown: nothing in a name becomes markup, a link, a mention, or leaves its table cell."""

from __future__ import annotations

import re

from leakaudit.report.style import printable

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>!|~&$])")
#: GitHub and GitLab turn these into mentions and references even where they are escaped.
_CALLS = re.compile(r"([@#])(?=\w)")
_LINKS = re.compile(r"(?i)\b(?:(www)(\.)|(https?|ftp|mailto|xmpp)(:))")
_START = re.compile(r"^(\d*)([-+>#=]|(?<=\d)[.)](?=\s))")
_TICKS = re.compile(r"`+")
_ZERO_WIDTH = "\u200b"
MOST = 300


def prose(message: str) -> str:
    """Return a message as one line; what stands in single backticks in it becomes code."""
    parts = _one_line(message).split("`")
    if len(parts) % 2 == 0:
        return plain(message)
    return "".join(code(part) if number % 2 and part else _escape(part) for number, part in enumerate(parts))


def plain(text: str) -> str:
    """Return a text as one line without markup."""
    return _START.sub(r"\1\\\2", _escape(_one_line(text)))


def code(text: str) -> str:
    """Return a name as a code span."""
    text = clip(_one_line(text))
    fence = "`" * (max((len(run) for run in _TICKS.findall(text)), default=0) + 1)
    pad = " " if text[:1] in " `" or text[-1:] in " `" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(text: str) -> str:
    """Return a name as a code span in a table."""
    return code(text).replace("|", r"\|")


def block(text: str, language: str) -> str:
    """Return lines as a fenced block that they cannot close."""
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def clip(text: str) -> str:
    """Cut a text that nobody reads to its end."""
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def _escape(text: str) -> str:
    text = _SPECIAL.sub(r"\\\1", text)
    text = _CALLS.sub(rf"\1{_ZERO_WIDTH}", text)
    return _LINKS.sub(lambda match: f"{match[1] or match[3]}\\{match[2] or match[4]}", text)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
